/** The stable codes of all errors of this library. A message may change, but its code does not. */
export type CacheflowErrorCode =
  | 'CACHEFLOW_CONFIGURATION'
  | 'CACHEFLOW_SOURCE_UNAVAILABLE'
  | 'CACHEFLOW_SOURCE_STALLED'
  | 'CACHEFLOW_VISIBILITY_STALLED'
  | 'CACHEFLOW_POSITION_LOST'
  | 'CACHEFLOW_SERVER_ID_CLASH'
  | 'CACHEFLOW_TABLE_NOT_KEYABLE'
  | 'CACHEFLOW_KEY_FAILED'
  | 'CACHEFLOW_ROW_UNDECODABLE'
  | 'CACHEFLOW_COLUMNS_UNCERTAIN'
  | 'CACHEFLOW_ROW_INCOMPLETE'
  | 'CACHEFLOW_EVENT_UNSUPPORTED'
  | 'CACHEFLOW_STRATEGY_FAILED'
  | 'CACHEFLOW_REDIS_REFUSED'
  | 'CACHEFLOW_REDIS_UNAVAILABLE'
  | 'CACHEFLOW_REDIS_REWOUND'
  | 'CACHEFLOW_CACHE_BYPASSED'
  | 'CACHEFLOW_VALUE_UNFIT'
  | 'CACHEFLOW_KEY_UNKNOWN'
  | 'CACHEFLOW_READ_OPTIONS'
  | 'CACHEFLOW_CHECKPOINT_FAILED'
  | 'CACHEFLOW_DEAD_LETTER'
  | 'CACHEFLOW_RETRY_UNAVAILABLE'
  | 'CACHEFLOW_HANDLER_FAILED'
  | 'CACHEFLOW_SUBSCRIBER_FAILED'
  | 'CACHEFLOW_EVENTS_MISSED'
  | 'CACHEFLOW_AUDIT_FAULT'
  | 'CACHEFLOW_LEADERSHIP_LOST'
  | 'CACHEFLOW_GROUP_SPLIT'
  | 'CACHEFLOW_GROUP_MISMATCH'
  | 'CACHEFLOW_CAUGHT_UP_TIMEOUT'
  | 'CACHEFLOW_STOPPED';

/**
 * The base of every error that this library throws or emits on `errors$`.
 *
 * Messages name tables, positions, and the remedy. They never contain row values or passwords.
 */
export abstract class CacheflowError extends Error {
  /** The stable code of the error. */
  abstract readonly code: CacheflowErrorCode;

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
