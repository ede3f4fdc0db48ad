import { formatPosition } from '../change/position';
import { CacheflowError } from './cacheflow.error';

/** What all errors about a piece of the stream have in common: where it stands. */
export abstract class ChangeError extends CacheflowError {
  constructor(
    message: string,
    /** `schema.table`, or undefined where the table cannot be known. */
    readonly table: string | undefined,
    readonly position: { readonly file: string; readonly offset: number },
    options?: { cause?: unknown },
  ) {
    super(`${message} (${table ? `table ${table}, ` : ''}position ${formatPosition(position)})`, options);
  }
}

/** No key can be made for the rows of a table. */
export class TableNotKeyableError extends ChangeError {
  readonly code = 'CACHEFLOW_TABLE_NOT_KEYABLE';
}

/** A `key` function threw or returned something that is no key. */
export class KeyFailedError extends ChangeError {
  readonly code = 'CACHEFLOW_KEY_FAILED';
}

/** A row event could not be decoded. */
export class RowUndecodableError extends ChangeError {
  readonly code = 'CACHEFLOW_ROW_UNDECODABLE';
}

/** Rows were decoded with the names of columns from after an ALTER (binlog_row_metadata is not FULL). */
export class ColumnsUncertainError extends ChangeError {
  readonly code = 'CACHEFLOW_COLUMNS_UNCERTAIN';
}

/** A row image lacks columns that are needed (binlog_row_image is not FULL in the writing session). */
export class RowIncompleteError extends ChangeError {
  readonly code = 'CACHEFLOW_ROW_INCOMPLETE';
}

/** The binlog holds changes in a form that cannot be read, e.g. a compressed transaction. */
export class EventUnsupportedError extends ChangeError {
  readonly code = 'CACHEFLOW_EVENT_UNSUPPORTED';
}

/** A custom table strategy kept failing. */
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

/** Redis refused a command for one key, whatever else it accepts. */
export class RedisRefusedError extends ChangeError {
  readonly code = 'CACHEFLOW_REDIS_REFUSED';
}

/**
 * What can be said of an error of the application without repeating its text,
 * which may hold row values.
 */
export function errorKind(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
