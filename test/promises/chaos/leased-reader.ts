import { CacheReader } from '../../../lib/cache/cache-reader';
import type { Freshness } from '../../../lib/cache/freshness';
import type { CacheflowConfig } from '../../../lib/config/cacheflow.config';
import { OptionCheck } from '../../../lib/config/option-check';
import { resolveCache } from '../../../lib/config/resolve-cache';
import type { ErrorReporter } from '../../../lib/errors/error-reporter';
import type { RedisClient } from '../../../lib/redis/redis-client';
import type { RedisConnection } from '../../../lib/redis/redis-connection';
import { cacheValue } from './cache-value';
import type { ChaosRow } from './tables';

/** The library's own reader in a process without a tail, as any other process of the app would be one. */
export function leasedReader(client: RedisClient): CacheReader {
  const serializer = {
    serialize: (row: unknown) => (row === null ? 'null' : cacheValue(row as ChaosRow)),
    deserialize: (text: string) => JSON.parse(text) as unknown,
  };
  const cache = resolveCache(new OptionCheck(), { serializer, leaseMillis: 5_000, negativeTtlSeconds: 600 });
  const connection = { client, isResolved: true } as unknown as RedisConnection;
  // The servers are taken away on purpose.
  const errors = { report: () => undefined } as unknown as ErrorReporter;
  // Nobody asks how fresh the cache is.
  const freshness = {} as Freshness;
  return new CacheReader({ cache } as unknown as CacheflowConfig, connection, freshness, errors);
}
