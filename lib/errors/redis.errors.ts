import { CacheflowError } from './cacheflow.error';

/** Redis as a whole is away or refuses all writes. The tail holds and keeps trying. */
export class RedisUnavailableError extends CacheflowError {
  readonly code = 'CACHEFLOW_REDIS_UNAVAILABLE';
}

/** Redis lost writes that it had confirmed. The tail returns to the checkpoint that Redis still has. */
export class RedisRewoundError extends CacheflowError {
  readonly code = 'CACHEFLOW_REDIS_REWOUND';
}

/** The library cannot load or save the checkpoint. */
export class CheckpointFailedError extends CacheflowError {
  readonly code = 'CACHEFLOW_CHECKPOINT_FAILED';
}

/** A subscriber of `events$` threw. */
export class SubscriberFailedError extends CacheflowError {
  readonly code = 'CACHEFLOW_SUBSCRIBER_FAILED';
}
