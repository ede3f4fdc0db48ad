import type { BinlogPlace, BinlogPosition, ChangePosition, PreparedTransaction } from './position';
import type { GtidTracker } from './gtid-tracker';
import type { ChangeAction, Row } from './change-event';
import type { TableName, TableScope } from './table-name';

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
  /** Several rows may have one default key, because their `id` is not unique. */
  readonly sharesKeys?: boolean;
  /**
   * Whether ROLLBACK takes back what was done to its rows, by its engine; undefined where the engine is not known (the
   * table is gone).
   */
  readonly transactional?: boolean | undefined;
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
  readonly table: TableScope | undefined;
  readonly position: BinlogPlace;
  /** The table may have other columns now. */
  readonly redefined?: boolean;
}

export type StreamItem = RowChange | TableFlush;

/** The first change of a row within its transaction: whether it can be read tells whether the transaction can. */
export interface WitnessRow {
  readonly table: TableName;
  readonly action: ChangeAction;
  /** The primary key that finds the row: as it was before, for an insert as it is now. As SQL conditions. */
  readonly where: readonly string[];
  /**
   * What the row held before, of those columns that the change replaced and that can be compared; of a deleted
   * row all that can be compared. Empty for an insert.
   */
  readonly before: readonly WitnessValue[];
}

/** A value, and how the server is asked for the same text. */
export interface WitnessValue {
  readonly expression: string;
  readonly text: string | null;
}

/** What there is to ask the source for, to learn whether a transaction can be read. */
export interface CommitMark {
  readonly gtid: string | undefined;
  /** A place within the transaction or at its end: no other transaction ends between its start and here. */
  readonly file: string;
  readonly offset: number;
  /** It is committed apart from the binlog, whose position says nothing of when it can be read: XA COMMIT. */
  readonly apart?: boolean;
  /** Undefined where it was not taken: GTIDs serve, or no changed row is fit. */
  readonly witness: (() => WitnessRow | undefined) | undefined;
}

/** A transaction, or a piece of a huge one. */
export interface TransactionPiece {
  readonly items: readonly StreamItem[];
  /** Size of the events it came from, in bytes. */
  readonly bytes: number;
  /** Set on the last piece of a transaction: the position after it. */
  readonly end: BinlogPosition | undefined;
  /** Set together with `end`. */
  readonly gtid: string | undefined;
  /** The XA transactions that are prepared at that position; undefined without any. */
  readonly prepared?: readonly PreparedTransaction[] | undefined;
  /** All GTIDs before that position, for a stream that has not known them so far. */
  readonly gtids?: GtidTracker | undefined;
  /** Set on every piece with items, also on those that come before the transaction's end. */
  readonly mark?: CommitMark | undefined;
}
