import type { CacheTag } from '../keys/tag';
import type { ReadOptions } from './read-options';

interface CachedBase<A extends readonly unknown[]> extends Omit<ReadOptions, 'dependsOn'> {
  /** Tags that the value depends on besides its key, or a function that makes them of the arguments. */
  dependsOn?: readonly CacheTag[] | ((...args: A) => readonly CacheTag[]);
  /** The `name` of the source. @defaultValue `'default'` */
  source?: string;
}

/**
 * The value is made of one row of a table, and has the key of that row. That there is no such row is cached by default
 * where numbers are asked for; for texts, which a collation may find in another case, where `negativeTtlSeconds` is given.
 */
export interface CachedByTable<A extends readonly unknown[]> extends CachedBase<A> {
  /** The table, as `db.table`. */
  table: string;
  /** The columns that the arguments are, in their order. @defaultValue those of the table's key, if it has only one */
  by?: string | readonly string[];
  /** Makes the columns of the key out of the arguments, where these are something else. */
  row?: (...args: A) => object;
}

/** The value has a key of its own, which some table names in `invalidates`, or tags. */
export interface CachedByKey<A extends readonly unknown[]> extends CachedBase<A> {
  key: (...args: A) => string;
}

export type CachedOptions<A extends readonly unknown[]> = CachedByTable<A> | CachedByKey<A>;

/** What is known of a decorated method or handler. */
export interface CachedMetadata {
  /** What was decorated, for messages: `@Cached on Class.method`. */
  readonly subject: string;
  readonly options: CachedOptions<readonly unknown[]>;
  readonly source: string;
}

/** The columns that the options name. */
export function columnsBy({ by }: CachedByTable<readonly unknown[]>): readonly string[] | undefined {
  return by === undefined || typeof by !== 'string' ? by : [by];
}
