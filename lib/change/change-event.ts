import type { ChangePosition } from './position';

/** A row: column names and their values, as mysql2 would return them. */
export type Row = Record<string, unknown>;

/** What happened to a row. */
export type ChangeAction = 'insert' | 'update' | 'delete';

/** One row's change. The app receives it once the cache is right. */
export interface ChangeEvent<T = Row> {
  readonly action: ChangeAction;
  /** The database. */
  readonly schema: string;
  readonly table: string;
  /** The row before the change; null for an insert. */
  readonly before: T | null;
  /** The row after the change; null for a delete. */
  readonly after: T | null;
  /** The position of the change in the binlog. */
  readonly position: ChangePosition;
  /** The GTID of the transaction, if the source has one. */
  readonly gtid?: string;
  /**
   * When the statement ran on the source: milliseconds since 1970, in whole seconds, because the binlog records no
   * fractions. It is not monotonic.
   */
  readonly timestamp: number;
}
