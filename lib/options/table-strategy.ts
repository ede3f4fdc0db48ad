import type { ChangeAction, ChangeEvent, Row } from '../change/change-event';

/**
 * Makes the key or keys of a row. The library calls it with each image of a changed row. It must have no side effects
 * and must return the same keys for the same row.
 */
// The row's shape is the user's own; a method signature keeps the parameter bivariant, so that
// `(row: { id: number }) => …` is accepted. An interface is not, because it has no index signature: TypeScript
// takes `Pick<User, 'id'>` or a type alias.
export type KeyFunction = {
  bivarianceHack(row: Row): string | readonly string[] | null | undefined;
}['bivarianceHack'];

/**
 * What an `invalidates` function receives: a change, or the reverse of one. The function thus sees both images of a
 * row. The library calls it once for an insert, twice for an update (with the update and with its reverse), and once
 * for a delete (with its reverse). Therefore `after` is never null.
 */
export interface DependencyChange<T = Row> {
  /** What happened to the row. */
  readonly action: ChangeAction;
  /** The database. */
  readonly schema: string;
  readonly table: string;
  /** The image in question. */
  readonly after: T;
  /** The other image of an update, otherwise null. */
  readonly before: T | null;
}

/**
 * Names the keys and tags that depend on a row. It must have no side effects and must return the same keys and tags for
 * the same images.
 */
// Bivariant as the key function, so that `(change: DependencyChange<Order>) => …` is accepted.
export type InvalidatesFunction = {
  bivarianceHack(change: DependencyChange): string | readonly string[] | null | undefined;
}['bivarianceHack'];

/** What a custom strategy receives in addition to the change. */
export interface TableStrategyContext {
  /** The keys of both images of the row, as the table's options make them. */
  readonly keys: readonly string[];
  /** The `ttlSeconds` of the table's options. */
  readonly ttlSeconds: number | undefined;
}

/**
 * A strategy of your own for the cache of a table: an injectable class. The library calls it for each change in commit
 * order and awaits it. The library may call it again for the same change, after a restart or after it threw, so it must
 * be safe to repeat. When it fails, the library reports the error, removes the keys of the row, and calls it again.
 */
export interface TableStrategy<T = Row> {
  onInsert(event: ChangeEvent<T>, context: TableStrategyContext): void | Promise<void>;
  onUpdate(event: ChangeEvent<T>, context: TableStrategyContext): void | Promise<void>;
  onDelete(event: ChangeEvent<T>, context: TableStrategyContext): void | Promise<void>;
}
