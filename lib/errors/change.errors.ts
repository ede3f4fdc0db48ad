import { formatPosition } from '../change/position';
import { CacheflowError } from './cacheflow.error';

/** The base of all errors about a particular part of the stream. It says where that part is. */
export abstract class ChangeError extends CacheflowError {
  constructor(
    message: string,
    /** `schema.table`, or undefined if the table is unknown. */
    readonly table: string | undefined,
    /** The place in the binlog. */
    readonly position: { readonly file: string; readonly offset: number },
    options?: { cause?: unknown },
  ) {
    super(`${message} (${table ? `table ${table}, ` : ''}position ${formatPosition(position)})`, options);
  }
}

/** The library cannot make keys for the rows of a table. */
export class TableNotKeyableError extends ChangeError {
  readonly code = 'CACHEFLOW_TABLE_NOT_KEYABLE';
}

/** A `key` function or `invalidates` threw, or returned something that is not a key. */
export class KeyFailedError extends ChangeError {
  readonly code = 'CACHEFLOW_KEY_FAILED';
}

/** The library cannot decode a row event. */
export class RowUndecodableError extends ChangeError {
  readonly code = 'CACHEFLOW_ROW_UNDECODABLE';
}

/** Rows from before an ALTER were decoded with the column names from after it (binlog_row_metadata is not FULL). */
export class ColumnsUncertainError extends ChangeError {
  readonly code = 'CACHEFLOW_COLUMNS_UNCERTAIN';
}

/** A row image lacks columns that the library needs (binlog_row_image is not FULL in the writing session). */
export class RowIncompleteError extends ChangeError {
  readonly code = 'CACHEFLOW_ROW_INCOMPLETE';
}

/** The binlog holds changes in a form that the library cannot read, such as a compressed transaction. */
export class EventUnsupportedError extends ChangeError {
  readonly code = 'CACHEFLOW_EVENT_UNSUPPORTED';
}

/** A custom table strategy failed. */
export class StrategyFailedError extends ChangeError {
  readonly code = 'CACHEFLOW_STRATEGY_FAILED';
}

/** An `@OnBinlog` handler kept failing. */
export class HandlerFailedError extends ChangeError {
  readonly code = 'CACHEFLOW_HANDLER_FAILED';

  constructor(
    /** `Class.method` of the handler. */
    readonly handler: string,
    readonly attempts: number,
    table: string,
    position: { readonly file: string; readonly offset: number },
    cause: unknown,
  ) {
    super(
      `@OnBinlog handler ${handler} failed ${attempts} times and was given up: ${errorKind(cause)}`,
      table,
      position,
      { cause },
    );
  }
}

/** Redis refused one command, while it answers others. */
export class RedisRefusedError extends ChangeError {
  readonly code = 'CACHEFLOW_REDIS_REFUSED';
}

/** Describes an error of the app without repeating its text, which may contain row values. */
export function errorKind(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
