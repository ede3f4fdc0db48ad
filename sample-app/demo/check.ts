import { setTimeout as pause } from 'node:timers/promises';
import type { CacheflowService } from '../../lib';
import type { RedisServer, SqlServer } from '../../test/support/servers';
import { Redis } from 'ioredis';

const TIMEOUT_MILLIS = 10_000;
const USER_ID = 1;

/**
 * One round of what the library is for: a user is read over HTTP, so that its key appears; its row is changed
 * behind the service's back; its key goes.
 *
 * @returns the milliseconds from the commit to the first look at Redis that finds the key gone
 * @throws Error when the key does not appear or does not go
 */
export async function timeOneInvalidation(
  url: string,
  sql: SqlServer,
  redisServer: RedisServer,
  cacheflow: CacheflowService,
): Promise<number> {
  const redis = new Redis(redisServer.connectionOptions());
  try {
    const answer = await fetch(`${url}/users/${USER_ID}`);
    if (!answer.ok) throw new Error(`GET /users/${USER_ID} was answered with ${answer.status}`);
    const key = cacheflow.keyOf('user.users', { id: USER_ID });
    if ((await redis.exists(key)) === 0) throw new Error(`Reading the user did not fill ${key}`);

    // This server handle has its own connection: the service does not see the statement.
    await sql.query('UPDATE user.users SET name = ? WHERE id = ?', ['Ada King', USER_ID]);
    const committed = performance.now();
    while ((await redis.exists(key)) === 1) {
      if (performance.now() - committed > TIMEOUT_MILLIS) {
        throw new Error(`${key} is still in Redis ${TIMEOUT_MILLIS} ms after the commit`);
      }
    }
    return performance.now() - committed;
  } finally {
    redis.disconnect();
  }
}

/** @throws Error when the library does not find the broker */
export async function retryConnected(cacheflow: CacheflowService): Promise<void> {
  const since = performance.now();
  for (;;) {
    const { state } = cacheflow.status().retry;
    if (state === 'connected') return;
    if (performance.now() - since > TIMEOUT_MILLIS)
      throw new Error(`RabbitMQ is up, but the retry is ${state}`);
    await pause(20);
  }
}
