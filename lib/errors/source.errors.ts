import { CacheflowError } from './cacheflow.error';

/** The database is unreachable, or the connection broke. The tail keeps trying. */
export class SourceUnavailableError extends CacheflowError {
  readonly code = 'CACHEFLOW_SOURCE_UNAVAILABLE';
}

/** The replication connection is silent although the source moves on. The library replaces the connection. */
export class SourceStalledError extends CacheflowError {
  readonly code = 'CACHEFLOW_SOURCE_STALLED';
}

/** Changes that were read are not yet visible on the source or on the `barrier` replica. The library waits for them. */
export class VisibilityStalledError extends CacheflowError {
  readonly code = 'CACHEFLOW_VISIBILITY_STALLED';
}

/** The source can no longer deliver everything after the position from which the tail has to continue. */
export class PositionLostError extends CacheflowError {
  readonly code = 'CACHEFLOW_POSITION_LOST';
}

/** Another replica uses the library's server id. The tail continues with a new one. */
export class ServerIdClashError extends CacheflowError {
  readonly code = 'CACHEFLOW_SERVER_ID_CLASH';

  constructor(
    readonly serverId: number,
    options?: { cause?: unknown },
  ) {
    super(
      `Another replica of this source uses the server id ${serverId}; going on with a generated one. ` +
        'Give each process its own `mysql.serverId`, or none.',
      options,
    );
  }
}

/** Thrown by calls that need a running tail, after the tail was stopped or has failed, or before it has started. */
export class CacheflowStoppedError extends CacheflowError {
  readonly code = 'CACHEFLOW_STOPPED';
}

/** `caughtUp()` did not resolve in time. */
export class CaughtUpTimeoutError extends CacheflowError {
  readonly code = 'CACHEFLOW_CAUGHT_UP_TIMEOUT';
}
