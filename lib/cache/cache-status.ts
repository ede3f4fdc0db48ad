/** Counts of what readers did since the start of the process, in keys. */
export interface CacheCounters {
  /** Served from the cache. */
  hits: number;
  /** Not in the cache, or not fresh enough. */
  misses: number;
  /** Given by a loader. Fewer than the misses, because one load serves all who wait for it. */
  loads: number;
  /** Put into the cache. */
  fills: number;
  /** Loaded and not put into the cache, because the key was invalidated meanwhile or the load took too long. */
  refusedFills: number;
  /** Loaded without asking for a lease, because another process was loading or Redis was away. */
  unleased: number;
}

/** How readers are doing. */
export interface CacheStatus extends Readonly<CacheCounters> {
  /** Since when readers go without Redis, in milliseconds since 1970; undefined while they do not. */
  readonly bypassedSince: number | undefined;
}
