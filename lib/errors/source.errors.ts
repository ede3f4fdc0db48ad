import { CacheflowError } from './cacheflow.error';

/** The database cannot be reached or the connection broke; the tail keeps trying. */
export class SourceUnavailableError extends CacheflowError {
  readonly code = 'CACHEFLOW_SOURCE_UNAVAILABLE';
}

/** The replication connection is silent although the source goes on; it is replaced. */
export class SourceStalledError extends CacheflowError {
  readonly code = 'CACHEFLOW_SOURCE_STALLED';
}

/** Changes that were read cannot be read back from the source yet (or from the `barrier` replica); they are waited for. */
export class VisibilityStalledError extends CacheflowError {
  readonly code = 'CACHEFLOW_VISIBILITY_STALLED';
}

/** The source no longer has the binlog that the tail would have to go on from. */
export class PositionLostError extends CacheflowError {
  readonly code = 'CACHEFLOW_POSITION_LOST';
}

/** Another replica uses our server id; the tail goes on with a new one. */
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

/** Thrown by calls that need a running tail after it was stopped or has failed. */
export class CacheflowStoppedError extends CacheflowError {
  readonly code = 'CACHEFLOW_STOPPED';
}

/** `caughtUp()` did not get there in time. */
export class CaughtUpTimeoutError extends CacheflowError {
  readonly code = 'CACHEFLOW_CAUGHT_UP_TIMEOUT';
}
