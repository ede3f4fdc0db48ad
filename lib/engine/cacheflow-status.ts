import type { CacheStatus } from '../cache/cache-status';
import type { AuditStatus } from '../audit/audit-status';
import type { FlushProgress } from '../strategy/table-flusher';
import type { DistributionStatus } from '../distribution/distribution-status';
import type { RetryCounters, RetryState } from '../retry/retry-path';
import type { Lag } from '../binlog/lag';
import type { GroupStatus } from '../group/group-status';
import type { TailState } from '../binlog/tail-state';
import type { BinlogPosition } from '../change/position';

/** A snapshot of the state of the tail. */
export interface CacheflowStatus {
  /** The `name` of the source. */
  readonly name: string;
  readonly state: TailState;
  /** Why the tail is not streaming: the message of the latest error. */
  readonly reason: string | undefined;
  /** The replication server id in use. */
  readonly serverId: number;
  /** The processes of this `name`, and which of them leads. */
  readonly group: GroupStatus;
  /** The position up to which everything has been applied. On a standby, as the leader last said. */
  readonly position: BinlogPosition | undefined;
  /** The position from which a restart would resume. On a standby, as the leader last said. */
  readonly checkpoint: BinlogPosition | undefined;
  /** On a standby, as the leader last said. */
  readonly lag: Lag;
  /** The current flush; undefined while there is none. */
  readonly flushing: FlushProgress | undefined;
  /**
   * Since when changes have been waiting to become visible on the source, or on the replica that `barrier` names, in
   * milliseconds since 1970.
   */
  readonly barrier: { readonly waitingSince: number | undefined };
  /** Since when changes have been waiting for an answer from Redis, in milliseconds since 1970. */
  readonly redis: { readonly waitingSince: number | undefined };
  /** Rows that were read and not yet applied. */
  readonly queuedRows: number;
  /** Calls of `@OnBinlog` handlers that wait or run. */
  readonly pendingHandlers: number;
  /** What readers did, and whether they work without Redis. */
  readonly cache: CacheStatus;
  /** What the library had to try again, and the state of RabbitMQ. */
  readonly retry: Readonly<RetryCounters> & { readonly state: RetryState };
  /** How handler calls are spread over the processes; undefined unless the option `handlers.distribute` is set. */
  readonly distribution: DistributionStatus | undefined;
  /** What the auditor found; undefined unless the option `audit` is set. */
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
  /** Keys removed by flushes. */
  readonly flushed: number;
  /** Changes passed to subscribers or handlers. */
  readonly events: number;
  /** Handler calls that the library gave up on. */
  readonly handlerFailures: number;
  /** Errors on `errors$`. */
  readonly errors: number;
  /** Connections to the source after the first one. */
  readonly reconnects: number;
}
