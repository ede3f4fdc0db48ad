import type { CacheStatus } from '../cache/cache-status';
import type { AuditStatus } from '../audit/audit-status';
import type { FlushProgress } from '../strategy/table-flusher';
import type { RetryCounters, RetryState } from '../retry/retry-path';
import type { Lag } from '../binlog/lag';
import type { TailState } from '../binlog/tail-state';
import type { BinlogPosition } from '../change/position';

/** A snapshot of how the tail is doing. */
export interface CacheflowStatus {
  /** The `name` of the source. */
  readonly name: string;
  readonly state: TailState;
  /** Why the tail is not streaming: the message of the latest error. */
  readonly reason: string | undefined;
  readonly serverId: number;
  /** Everything up to here was applied. */
  readonly position: BinlogPosition | undefined;
  /** Where a restart would go on. */
  readonly checkpoint: BinlogPosition | undefined;
  readonly lag: Lag;
  /** The flush of all keys of a table that is going on; undefined while there is none. */
  readonly flushing: FlushProgress | undefined;
  /** Since when changes wait until they can be read on the source, in milliseconds since 1970. */
  readonly barrier: { readonly waitingSince: number | undefined };
  /** Since when changes wait for an answer of Redis, in milliseconds since 1970. */
  readonly redis: { readonly waitingSince: number | undefined };
  /** Rows that were read and not yet applied. */
  readonly queuedRows: number;
  /** Calls of `@OnBinlog` handlers that wait or run. */
  readonly pendingHandlers: number;
  /** What readers did, and whether they have to do without Redis. */
  readonly cache: CacheStatus;
  /** What was to be tried again, and how RabbitMQ is doing. */
  readonly retry: Readonly<RetryCounters> & { readonly state: RetryState };
  /** What the auditor found; undefined where nothing is audited (`audit`). */
  readonly audit: AuditStatus | undefined;
  readonly counters: CacheflowCounters;
}

/** Counts since the start of the process. */
export interface CacheflowCounters {
  /** Row changes of watched tables that were read. */
  readonly changes: number;
  /** Keys removed because their row changed. */
  readonly invalidated: number;
  /** Keys written by write-through. */
  readonly written: number;
  /** Keys removed because all keys of a table had to go. */
  readonly flushed: number;
  /** Changes handed on to subscribers or handlers. */
  readonly events: number;
  /** Handler calls that were given up. */
  readonly handlerFailures: number;
  /** Errors on `errors$`. */
  readonly errors: number;
  /** Connections to the source after the first one. */
  readonly reconnects: number;
}
