import { afterAll, beforeAll, expect, it } from 'vitest';
import { codesOf } from '../../support/app';
import { untilSaved } from '../../support/checkpoint';
import { describeEachSql } from '../../support/each-sql';
import { lockSession } from '../../support/group-lock';
import type { RabbitMqServer } from '../../support/servers';
import { startRabbitmq } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

const SCHEMA = 'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50))';
const KEY = 'shop:users:1';
const BACKOFF_MILLIS = 4_000;
let rabbit: RabbitMqServer;

beforeAll(async () => {
  rabbit = await startRabbitmq();
});
afterAll(async () => {
  await rabbit?.dispose();
});

describeEachSql('a Redis that goes back behind a retry of another process', { schema: SCHEMA }, (stage) => {
  it('loses no removal with it', { timeout: 60_000 }, async () => {
    const { redis } = stage;
    // It may write its own keys only, so that the removal is refused.
    const rights = ['reset', 'on', '>pw', '+@all', '&*', '~cacheflow:*', '~cf:*', '%R~*'];
    await redis.acl('SETUSER', 'limited', ...(rights as [string]));
    const queue = `${stage.kind}.behind`;
    const options = {
      redis: { port: stage.redisServer.port, username: 'limited', password: 'pw' },
      tables: [{ db: 'shop', table: 'users' }],
      retry: {
        backoffMillis: BACKOFF_MILLIS,
        maxBackoffMillis: BACKOFF_MILLIS,
        mq: { url: rabbit.url, exchange: `${queue}.x`, queue },
      },
    };
    // The queue hands its first message to the one that came first, which leads no longer by then.
    const standby = await stage.app(options);
    const leader = await stage.boot(options);
    await waitFor(() => leader.cacheflow.status().state === 'standby', { message: 'the second process' });
    await stage.sql.query(`KILL ${await lockSession(stage)}`);
    await waitFor(() => leader.cacheflow.status().group.role === 'leader', { message: 'the other leader' });
    await leader.cacheflow.caughtUp();
    await redis.set(KEY, 'stale');
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'new')");
    await leader.cacheflow.caughtUp();
    await waitFor(() => leader.cacheflow.status().retry.parked === 1, { message: 'the parked removal' });
    await untilSaved(leader, redis);
    const names = await redis.keys('*');
    const dumps = await Promise.all(names.map((name) => redis.dumpBuffer(name)));
    await redis.acl('SETUSER', 'limited', '~shop:*');
    await waitFor(() => standby.cacheflow.status().retry.retried === 1, {
      message: 'the retry',
      timeoutMillis: 20_000,
    });
    expect(await redis.get(KEY)).toBeNull();
    await stage.sql.query("REPLACE INTO shop.users VALUES (2, 'x')");
    await leader.cacheflow.caughtUp();
    let back = redis.multi().flushall();
    names.forEach((name, at) => (back = back.restore(name, 0, dumps[at] as Buffer)));
    await back.exec();
    await stage.sql.query("REPLACE INTO shop.users VALUES (3, 'x')");
    await waitFor(() => codesOf(leader).includes('CACHEFLOW_REDIS_REWOUND'), { message: 'the report' });
    await leader.cacheflow.caughtUp();
    expect(await redis.get(KEY)).toBeNull();
  });
});
