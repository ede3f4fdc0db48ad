import type { BinlogPosition, ChangePosition } from '../binlog/position';
import type { ChangeAction, Row } from '../events/change-event';

export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** What a foreign key to a table makes of changes there, where the binlog does not tell. */
export interface Cascade {
  /** The columns that it refers to; none where they are not known, so that any may be meant. */
  readonly columns: readonly string[];
  /** The watched tables whose rows change when a row is deleted. */
  readonly onDelete: readonly TableName[];
  /** The watched tables whose rows change when one of the columns does. */
  readonly onUpdate: readonly TableName[];
}

/** A table as it was when the change was written; a new object after each DDL. */
export interface TableShape extends TableName {
  readonly columns: readonly string[];
  readonly primaryKey: readonly string[];
  readonly cascades?: readonly Cascade[];
  /** Nobody watches the table: its rows are read, as far as needed, for its cascades. */
  readonly parentOnly?: boolean;
}

/** One row's change on its way from the binlog to Redis. */
export interface RowChange {
  readonly kind: 'row';
  readonly action: ChangeAction;
  readonly table: TableShape;
  /** Only the columns that the strategy needs were decoded, because nobody else wanted the row at that time. */
  readonly projected: boolean;
  readonly before: Row | null;
  /** For an update, the columns that the image left out are taken from `before`. */
  readonly after: Row | null;
  /** Whether `before` holds every column. */
  readonly beforeComplete: boolean;
  /** Whether `after` holds every column. */
  readonly afterComplete: boolean;
  readonly position: ChangePosition;
  readonly gtid: string | undefined;
  readonly timestamp: number;
}

/** Something changed that cannot be told row by row: all keys of the table, or of all tables, have to go. */
export interface TableFlush {
  readonly kind: 'flush';
  /** Undefined: any watched table may have changed; with no `table` in it, any of that database. */
  readonly table: { readonly schema: string; readonly table: string | undefined } | undefined;
  readonly position: { readonly file: string; readonly offset: number };
}

export type StreamItem = RowChange | TableFlush;

/** A transaction, or a piece of a huge one. */
export interface TransactionPiece {
  readonly items: readonly StreamItem[];
  /** Size of the events it came from, in bytes. */
  readonly bytes: number;
  /** Set on the last piece of a transaction: the position after it. */
  readonly end: BinlogPosition | undefined;
  /** Set together with `end`. */
  readonly gtid: string | undefined;
}
