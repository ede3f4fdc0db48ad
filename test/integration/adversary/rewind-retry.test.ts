import { afterAll, beforeAll, expect, it } from 'vitest';
import { codesOf } from '../../support/app';
import { describeEachSql } from '../../support/each-sql';
import type { RabbitMqServer } from '../../support/servers';
import { startRabbitmq } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50));`;
const key = 'shop:users:1';
let rabbit: RabbitMqServer;
beforeAll(async () => {
  rabbit = await startRabbitmq();
});
afterAll(async () => {
  await rabbit?.dispose();
});

describeEachSql('a Redis that goes back behind a retry', { schema: SCHEMA }, (stage) => {
  it('F18: that a standby has done, leaves no stale key', async () => {
    const queue = `${stage.kind}.behind`;
    const rights = ['reset', 'on', '>pw', '+@all', '~cacheflow:*', '~cf:*', '%R~*'];
    await stage.redis.acl('SETUSER', 'limited', ...(rights as [string]));
    const options = {
      redis: { port: stage.redisServer.port, username: 'limited', password: 'pw' },
      tables: [{ db: 'shop', table: 'users' }],
      retry: {
        maxAttempts: 50,
        backoffMillis: 8_000,
        maxBackoffMillis: 8_000,
        mq: { url: rabbit.url, exchange: `${queue}.x`, queue },
      },
    };
    const a = await stage.app(options);
    const b = await stage.boot(options);
    await waitFor(() => b.cacheflow.status().state === 'standby');
    const id = await stage.redis.hget('cf:{cacheflow:default:checkpoint}:group', 'id');
    const lock = `cacheflow:default:${id?.replaceAll('-', '').slice(0, 16)}`;
    const [row] = await stage.sql.query<{ id: number }>('SELECT IS_USED_LOCK(?) AS id', [lock]);
    await stage.sql.query(`KILL ${row?.id}`);
    await waitFor(
      () => b.cacheflow.status().group.role === 'leader' && a.cacheflow.status().group.role === 'standby',
    );
    await b.cacheflow.caughtUp();
    await stage.redis.set(key, 'stale');
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'new')");
    await b.cacheflow.caughtUp();
    await waitFor(() => b.cacheflow.status().retry.parked === 1);
    expect(await stage.redis.get(key)).toBe('stale');
    await waitFor(() => b.cacheflow.status().checkpoint?.offset === b.cacheflow.status().position?.offset);
    await new Promise((resolve) => setTimeout(resolve, 500));
    // A snapshot, on which Redis goes on later.
    const names = await stage.redis.keys('*');
    const dumps = await Promise.all(names.map((name) => stage.redis.dumpBuffer(name)));
    await stage.redis.acl('SETUSER', 'limited', '~shop:*');
    await waitFor(() => a.cacheflow.status().retry.retried + b.cacheflow.status().retry.retried === 1, {
      timeoutMillis: 20_000,
    });
    console.log(
      'retried by standby, leader',
      a.cacheflow.status().retry.retried,
      b.cacheflow.status().retry.retried,
    );
    expect(await stage.redis.get(key)).toBeNull();
    await stage.sql.query("REPLACE INTO shop.users VALUES (2, 'x')");
    await b.cacheflow.caughtUp();
    let back = stage.redis.multi().flushall();
    names.forEach((name, at) => (back = back.restore(name, 0, dumps[at] as Buffer)));
    await back.exec();
    expect(await stage.redis.get(key)).toBe('stale');
    await stage.sql.query("REPLACE INTO shop.users VALUES (3, 'x')");
    await waitFor(() => codesOf(b).includes('CACHEFLOW_REDIS_REWOUND'), { timeoutMillis: 20_000 });
    await b.cacheflow.caughtUp();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    console.log(codesOf(a), codesOf(b));
    expect(await stage.redis.get(key)).toBeNull();
  });
});
