import type { RedisServer, SqlServer } from '../../test/support/servers';
import { waitFor } from '../../test/support/wait-for';
import type { Snapshot } from '../live/snapshot.service';
import { callApp } from './call-app';

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
  { sql, redis }: { sql: SqlServer; redis: RedisServer },
): Promise<number> {
  await callApp('GET', `${url}/users/${USER_ID}`);
  const { users } = await lookAt(url);
  const key = users.find(({ id }) => id === USER_ID)?.key ?? '';
  if (!(await isCached(redis, key))) throw new Error(`Reading the user did not fill ${key}`);

  // This server handle has its own connection: the service does not see the statement.
  await sql.query('UPDATE user.users SET name = ? WHERE id = ?', ['Ada King', USER_ID]);
  const committed = performance.now();
  while (await isCached(redis, key)) {
    if (performance.now() - committed > TIMEOUT_MILLIS) {
      throw new Error(`${key} is still in Redis ${TIMEOUT_MILLIS} ms after the commit`);
    }
  }
  return performance.now() - committed;
}

/** @throws Error when the library does not find the broker */
export async function retryConnected(url: string): Promise<void> {
  await waitFor(async () => (await lookAt(url)).status.retry.state === 'connected', {
    message: 'the retry to find RabbitMQ, which is up',
  });
}

function lookAt(url: string): Promise<Snapshot> {
  return callApp('GET', `${url}/live`);
}

async function isCached(redis: RedisServer, key: string): Promise<boolean> {
  return (await redis.command('EXISTS', key)) === 1;
}
