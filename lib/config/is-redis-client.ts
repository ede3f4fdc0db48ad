import type { Cluster, Redis } from 'ioredis';

/** Whether it is a client of ioredis: by its shape, because an app may have another copy of ioredis. */
export function isRedisClient(value: unknown): value is Redis | Cluster {
  const client = value as Partial<Redis> | null;
  return (
    typeof client === 'object' &&
    typeof client?.pipeline === 'function' &&
    typeof client.duplicate === 'function'
  );
}
