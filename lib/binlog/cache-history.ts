import type { Epoch } from '../redis/scripts/epoch';

/**
 * What a tail asks about the past of the cache that it feeds. Each call waits while Redis is away; it rejects with a
 * RedisUnavailableError where Redis refuses the question, with a RedisRewoundError, or with the signal's reason.
 */
export interface CacheHistory {
  /** The epoch of the server's changes from now on; see `claimEpoch`. */
  beginEpoch(identity: string, ended: number, signal: AbortSignal): Promise<Epoch>;
  /** Takes the cache as it is now for what was written to it. */
  accept(signal: AbortSignal): Promise<void>;
  /** What holds what was written to the cache; undefined where a loss takes the checkpoint with it. */
  readonly masters: readonly string[] | undefined;
  /** Whether commands were done later than in their turn, so that reading the stream again does not repeat them. */
  hasRetried(): boolean;
  /** Notices when the cache lost what was written to it. */
  checkRewind(signal: AbortSignal): Promise<void>;
}
