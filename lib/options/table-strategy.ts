import type { ChangeAction, ChangeEvent, Row } from '../change/change-event';

/**
 * Makes the key or keys of a row. It is called with each image of a changed row, must not have side effects,
 * and must give the same keys for the same row.
 */
// The row's shape is the user's own; a method signature keeps the parameter bivariant, so that
// `(row: { id: number }) => …` is accepted. An interface is not, because it has no index signature: TypeScript
// takes `Pick<User, 'id'>` or a type alias.
export type KeyFunction = {
  bivarianceHack(row: Row): string | readonly string[] | null | undefined;
}['bivarianceHack'];

/**
 * What an `invalidates` function is asked about: a change, or the reverse of one, so that both images of a row are
 * considered. An insert asks once, an update for itself and for its reverse, a delete for its reverse: `after` is
 * always there.
 */
export interface DependencyChange<T = Row> {
  /** What happened to the row. */
  readonly action: ChangeAction;
  readonly schema: string;
  readonly table: string;
  /** The image that is asked about. */
  readonly after: T;
  /** The other image of an update, else null. */
  readonly before: T | null;
}

/**
 * Names the keys and tags that depend on a row. It must not have side effects, and must give the same for the same
 * images.
 */
// Bivariant as the key function, so that `(change: DependencyChange<Order>) => …` is accepted.
export type InvalidatesFunction = {
  bivarianceHack(change: DependencyChange): string | readonly string[] | null | undefined;
}['bivarianceHack'];

/** What a custom strategy is told besides the change. */
export interface TableStrategyContext {
  /** The keys of both images of the row, as the table's options make them. */
  readonly keys: readonly string[];
  /** The table's `ttlSeconds`. */
  readonly ttlSeconds: number | undefined;
}

/**
 * A strategy of your own for the cache of a table: an injectable that is called for each change in commit
 * order and awaited. It may be called again for the same change (after a restart, or when it threw), so it
 * has to be safe to repeat. When it keeps failing, the error is reported and the keys of the row are deleted.
 */
export interface TableStrategy<T = Row> {
  onInsert(event: ChangeEvent<T>, context: TableStrategyContext): void | Promise<void>;
  onUpdate(event: ChangeEvent<T>, context: TableStrategyContext): void | Promise<void>;
  onDelete(event: ChangeEvent<T>, context: TableStrategyContext): void | Promise<void>;
}
