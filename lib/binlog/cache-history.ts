/** What a tail asks about the past of the cache that it feeds. Each call waits while Redis is away. */
export interface CacheHistory {
  /** The epoch of the server's changes from now on; see `claimEpoch`. */
  beginEpoch(
    identity: string,
    ended: number,
    signal: AbortSignal,
  ): Promise<{ readonly isFirst: boolean; readonly number: number }>;
  /** Takes the cache as it is now for what was written to it. */
  accept(signal: AbortSignal): Promise<void>;
  /** Whether commands were done later than in their turn, so that reading the stream again does not repeat them. */
  hasRetried(): boolean;
  /** Notices when the cache lost what was written to it. */
  checkRewind(signal: AbortSignal): Promise<void>;
}
