import { Redis } from 'ioredis';
import type { Cluster, RedisOptions } from 'ioredis';
import { resolvePassword } from '../options/password-source';
import type { RedisConnectionOptions, RedisSource } from '../options/cacheflow.options';

/** Any client of ioredis, ours or the app's. */
export type RedisClient = Redis | Cluster;

/** A connection that has sent a command and hears nothing for this long is given up and made anew. */
const SOCKET_TIMEOUT_MILLIS = 30_000;
const LONGEST_RETRY_DELAY_MILLIS = 2_000;

export function isCluster(client: RedisClient): client is Cluster {
  return client.isCluster;
}

/** Makes a client of our own. It connects at its first use, and never gives up. */
export function createRedisClient(
  source: Exclude<RedisSource, RedisClient | { namespace: string }>,
  overrides: RedisOptions = {},
): Redis {
  const { password, ...options }: RedisConnectionOptions = typeof source === 'string' ? {} : source;
  const settings = {
    lazyConnect: true,
    // Commands of an outage wait for its end; the tail stops reading meanwhile.
    maxRetriesPerRequest: null,
    socketTimeout: SOCKET_TIMEOUT_MILLIS,
    // After a failover behind the same address the connection may still lead to the old master.
    reconnectOnError: (error: Error) => (error.message.startsWith('READONLY') ? 1 : false),
    retryStrategy,
    ...options,
    ...overrides,
  };
  const client = typeof source === 'string' ? new Redis(source, settings) : new Redis(settings);
  if (typeof password === 'string') client.options.password = password;
  if (typeof password === 'function') askPasswordBeforeConnecting(client, password);
  return client;
}

/** What a connection needs that waits for replies: no deadline for them, and no end of its attempts to reconnect. */
export const BLOCKING_OPTIONS = {
  commandTimeout: undefined,
  blockingTimeout: undefined,
  // ioredis keeps the timer, and with it the process, when it disconnects before the reply.
  socketTimeout: undefined,
  maxRetriesPerRequest: null,
  enableOfflineQueue: true,
  enableAutoPipelining: false,
  retryStrategy,
} satisfies RedisOptions;

/** A client as the app's own one, for replies that are waited for. */
export function duplicateBlocking(client: RedisClient): RedisClient {
  if (!isCluster(client)) return client.duplicate(BLOCKING_OPTIONS);
  return client.duplicate([], {
    enableOfflineQueue: true,
    enableAutoPipelining: false,
    clusterRetryStrategy: retryStrategy,
    // A replica lags.
    scaleReads: 'master',
    redisOptions: { ...client.options.redisOptions, ...BLOCKING_OPTIONS },
  });
}

function retryStrategy(attempt: number): number {
  return Math.min(attempt * 50, LONGEST_RETRY_DELAY_MILLIS);
}

/**
 * ioredis takes passwords as strings only: each `connect`, also that of a reconnect, asks for it first. When the
 * function fails, the error goes where ioredis reports its own, and the password before is tried: ioredis would
 * never connect again after a rejection here.
 */
function askPasswordBeforeConnecting(client: Redis, password: () => string | Promise<string>): void {
  const connect = client.connect.bind(client);
  client.connect = async (callback) => {
    try {
      client.options.password = await resolvePassword(password);
    } catch (error) {
      client.emit('error', error);
    }
    return connect(callback);
  };
}
