/** Counts of what readers of this process did since it started, in keys. */
export interface CacheCounters {
  /** Keys that were served from the cache. */
  hits: number;
  /** Keys that were not in the cache, or not fresh enough. */
  misses: number;
  /** Keys that a loader supplied. Fewer than the misses, because one load serves all readers that wait for it. */
  loads: number;
  /** Keys that were put into the cache. */
  fills: number;
  /**
   * Keys that were loaded and not put into the cache, because the key was invalidated in the meantime or the load took
   * too long.
   */
  refusedFills: number;
  /** Keys that were loaded without a lease, because another process was loading or Redis was away. */
  unleased: number;
}

/** What readers did, and whether they work without Redis. */
export interface CacheStatus extends Readonly<CacheCounters> {
  /** Since when readers have been working without Redis, in milliseconds since 1970; undefined while they are not. */
  readonly bypassedSince: number | undefined;
}
