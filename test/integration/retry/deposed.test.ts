import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { recordKey } from '../../../lib/redis/scripts/record';
import { untilSaved } from '../../support/checkpoint';
import { describeEachSql } from '../../support/each-sql';
import { lockSession } from '../../support/group-lock';
import type { RabbitMqServer } from '../../support/servers';
import { startRabbitmq } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

const SCHEMA = 'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50))';
/** RabbitMQ hands the retries out in turn: each process gets some of them. */
const IDS = [1, 2, 3, 4, 5, 6, 7, 8];
const keys = IDS.map((id) => `shop:users:${id}`);
/** Longer than a takeover takes. */
const BACKOFF_MILLIS = 10_000;

let rabbit: RabbitMqServer;
beforeAll(async () => {
  rabbit = await startRabbitmq();
});
afterAll(async () => {
  await rabbit?.dispose();
});

describeEachSql('a retry by a process that leads no longer', { schema: SCHEMA }, (stage) => {
  afterEach(async () => {
    await stage.redis.config('SET', 'maxmemory', '0');
  });

  it('brings back nothing that its successor has removed, also where the record was evicted', async () => {
    const queue = `${stage.kind}.deposed`;
    const options = {
      tables: [{ db: 'shop', table: 'users', strategy: 'write-through' as const, ttlSeconds: 600 }],
      retry: {
        maxAttempts: 50,
        backoffMillis: BACKOFF_MILLIS,
        maxBackoffMillis: BACKOFF_MILLIS,
        mq: { url: rabbit.url, exchange: `${queue}.x`, queue },
      },
    };
    const deposed = await stage.app(options);
    const successor = await stage.boot(options);
    await waitFor(() => successor.cacheflow.status().state === 'standby', { message: 'the standby' });
    await stage.redis.config('SET', 'maxmemory-policy', 'noeviction');
    await stage.redis.config('SET', 'maxmemory', '1');
    for (const id of IDS) {
      await stage.sql.query(`INSERT INTO shop.users VALUES (${id}, 'older')`);
      await deposed.cacheflow.caughtUp();
    }
    await waitFor(() => deposed.cacheflow.status().retry.parked === IDS.length, { message: 'the retries' });
    await stage.redis.config('SET', 'maxmemory', '0');
    await untilSaved(deposed, stage.redis);
    await stage.sql.query(`KILL ${await lockSession(stage)}`);
    const roles = (): string =>
      [deposed, successor].map(({ cacheflow }) => cacheflow.status().group.role).join();
    await waitFor(() => roles() === 'standby,leader', { message: 'the takeover' });
    await stage.sql.query('DELETE FROM shop.users');
    await successor.cacheflow.caughtUp();
    await stage.redis.del(...keys.map((key) => recordKey(key, '')));
    expect(await stage.redis.mget(keys)).toEqual(keys.map(() => null));
    const retried = (): number[] =>
      [deposed, successor].map(({ cacheflow }) => cacheflow.status().retry.retried);
    await waitFor(() => retried().reduce((sum, each) => sum + each) === IDS.length, {
      message: 'all to be retried',
      timeoutMillis: 3 * BACKOFF_MILLIS,
    });
    expect(retried()[0]).toBeGreaterThan(0);
    await successor.cacheflow.caughtUp();
    expect(await stage.redis.mget(keys)).toEqual(keys.map(() => null));
  });
});
