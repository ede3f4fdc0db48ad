import type { ChangePosition } from './position';

/** A row: column names to values, as mysql2 would give them. */
export type Row = Record<string, unknown>;

/** What happened to a row. */
export type ChangeAction = 'insert' | 'update' | 'delete';

/** One row's change, handed on after the cache was made right. */
export interface ChangeEvent<T = Row> {
  readonly action: ChangeAction;
  /** The database. */
  readonly schema: string;
  readonly table: string;
  /** The row before the change; null for an insert. */
  readonly before: T | null;
  /** The row after the change; null for a delete. */
  readonly after: T | null;
  /** Where the change stands in the binlog. */
  readonly position: ChangePosition;
  /** The transaction's GTID, where the source has one. */
  readonly gtid?: string;
  /**
   * When the statement ran on the source: milliseconds since 1970, in whole seconds, not monotonic
   * (the binlog knows no better).
   */
  readonly timestamp: number;
}
