import { CacheflowError } from './cacheflow.error';

/** Redis as a whole is away or refuses all writes; the tail holds and keeps trying. */
export class RedisUnavailableError extends CacheflowError {
  readonly code = 'CACHEFLOW_REDIS_UNAVAILABLE';
}

/** Redis has lost writes that it had confirmed; the tail goes back to the checkpoint that it still has. */
export class RedisRewoundError extends CacheflowError {
  readonly code = 'CACHEFLOW_REDIS_REWOUND';
}

/** The checkpoint could not be loaded or saved. */
export class CheckpointFailedError extends CacheflowError {
  readonly code = 'CACHEFLOW_CHECKPOINT_FAILED';
}

/** A subscriber of `events$` threw. */
export class SubscriberFailedError extends CacheflowError {
  readonly code = 'CACHEFLOW_SUBSCRIBER_FAILED';
}
