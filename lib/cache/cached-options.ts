import type { CacheTag } from '../keys/tag';
import type { ReadOptions } from './read-options';

interface CachedBase<A extends readonly unknown[]> extends Omit<ReadOptions, 'dependsOn'> {
  /** Tags that the value depends on, besides its key, or a function that makes them from the arguments. */
  dependsOn?: readonly CacheTag[] | ((...args: A) => readonly CacheTag[]);
  /** The `name` of the source. @defaultValue `'default'` */
  source?: string;
}

/**
 * The value is made from one row of a table and has the key of that row. By default, the library caches a missing row
 * only if the row is asked for by numbers. A collation may match a text in another case. Therefore the library caches a
 * row that is missing for a text only if you set `negativeTtlSeconds`.
 */
export interface CachedByTable<A extends readonly unknown[]> extends CachedBase<A> {
  /** The table, as `db.table`. */
  table: string;
  /** The columns that the arguments stand for, in order. @defaultValue those of the table's key, if it has only one */
  by?: string | readonly string[];
  /** Makes the columns of the key from the arguments, if the arguments are not the columns themselves. */
  row?: (...args: A) => object;
}

/** The value has a key of its own. Some table must name the key in `invalidates`, or the value must depend on tags. */
export interface CachedByKey<A extends readonly unknown[]> extends CachedBase<A> {
  /** Makes the key from the arguments. */
  key: (...args: A) => string;
}

/** The options of `@Cached` and `@CachedResponse`. */
export type CachedOptions<A extends readonly unknown[]> = CachedByTable<A> | CachedByKey<A>;

/** What the library knows about a decorated method or handler. */
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
