import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { describeEachSql } from '../../support/each-sql';
import type { RabbitMqServer } from '../../support/servers';
import { startRabbitmq } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50));`;
const key = (id: number): string => `shop:users:${id}`;
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
    await stage.sql.query('DELETE FROM shop.users');
  });

  it('F9: brings nothing back that its successor has removed, where the record was evicted', async () => {
    const queue = `${stage.kind}.deposed`;
    const options = {
      tables: [{ db: 'shop', table: 'users', strategy: 'write-through' as const, ttlSeconds: 600 }],
      retry: {
        maxAttempts: 50,
        backoffMillis: 15_000,
        maxBackoffMillis: 15_000,
        mq: { url: rabbit.url, exchange: `${queue}.x`, queue },
      },
    };
    const a = await stage.app(options);
    const b = await stage.boot(options);
    await waitFor(() => b.cacheflow.status().state === 'standby');
    await stage.redis.config('SET', 'maxmemory-policy', 'noeviction');
    await stage.redis.config('SET', 'maxmemory', '1');
    const ids = [1, 2, 3, 4, 5, 6, 7, 8];
    for (const id of ids) {
      await stage.sql.query(`INSERT INTO shop.users VALUES (${id}, 'older')`);
      await a.cacheflow.caughtUp();
    }
    await a.cacheflow.caughtUp();
    await waitFor(() => a.cacheflow.status().retry.parked >= ids.length, { message: 'parked' }).catch(
      (error: unknown) => {
        const { retry, state, redis, barrier, group, counters } = a.cacheflow.status();
        console.log(
          retry,
          state,
          redis,
          barrier,
          group.role,
          counters,
          b.cacheflow.status().group.role,
          a.errors.map(({ message }) => message),
        );
        throw error;
      },
    );
    await stage.redis.config('SET', 'maxmemory', '0');
    await waitFor(() => a.cacheflow.status().checkpoint?.offset === a.cacheflow.status().position?.offset);
    // The lock goes to the other process.
    const id = await stage.redis.hget('cf:{cacheflow:default:checkpoint}:group', 'id');
    const lock = `cacheflow:default:${id?.replaceAll('-', '').slice(0, 16)}`;
    const [row] = await stage.sql.query<{ id: number }>('SELECT IS_USED_LOCK(?) AS id', [lock]);
    await stage.sql.query(`KILL ${row?.id}`);
    await waitFor(
      () => b.cacheflow.status().group.role === 'leader' && a.cacheflow.status().group.role === 'standby',
    );
    await stage.sql.query('DELETE FROM shop.users');
    await b.cacheflow.caughtUp();
    for (const each of ids) await stage.redis.del(`cf:{${key(each)}}`);
    const left = (): number => 8 - a.cacheflow.status().retry.retried - b.cacheflow.status().retry.retried;
    await waitFor(() => left() === 0, { timeoutMillis: 40_000, message: 'the retries' });
    console.log('retried', a.cacheflow.status().retry.retried, b.cacheflow.status().retry.retried);
    await b.cacheflow.caughtUp();
    expect(await stage.redis.mget(ids.map(key))).toEqual(ids.map(() => null));
  });
});
