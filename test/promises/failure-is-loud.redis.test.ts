import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { TableOptions } from '../../lib';
import { CheckpointFailedError, RedisRefusedError } from '../../lib';
import type { TestApp } from '../support/app';
import { connectRedis, Stage } from '../support/each-sql';
import { startMysql, startRedis } from '../support/servers';
import { waitFor } from '../support/wait-for';

// Failure is loud: what Redis does not take is told with its place, costs at most its own key, and stops nothing.

const USERS: TableOptions = { db: 'shop', table: 'users' };
const stage = new Stage('mysql');

beforeAll(async () => {
  [stage.sql, stage.redisServer] = await Promise.all([startMysql(), startRedis()]);
  stage.redis = connectRedis(stage.redisServer);
  await stage.sql.query(
    'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50))',
  );
});
afterEach(async () => {
  await stage.closeApps();
  await stage.redis.config('SET', 'maxmemory', '0');
  await stage.redis.flushall();
});
afterAll(async () => {
  stage.redis?.disconnect();
  await Promise.all([stage.sql?.dispose(), stage.redisServer?.dispose()]);
});

function refusals(app: TestApp): string[] {
  return app.errors.flatMap((error) => {
    if (!(error instanceof RedisRefusedError)) return [];
    expect(error.message).toMatch(/\(table shop\.users, position binlog\.\d{6}:\d+\)$/);
    return [error.message.replace(/ \(table.*/, '')];
  });
}

async function write(id: number, name: string): Promise<void> {
  await stage.sql.query('REPLACE INTO shop.users VALUES (?, ?)', [id, name]);
}

it('a value for which Redis has no memory costs its key, and is written again once there is memory', async () => {
  const app = await stage.app({ tables: [{ ...USERS, strategy: 'write-through' }] });
  await write(1, 'old');
  await app.cacheflow.caughtUp();
  expect(await stage.redis.get('shop:users:1')).toBe('{"id":1,"name":"old"}');
  await stage.redis.config('SET', 'maxmemory-policy', 'noeviction');
  await stage.redis.config('SET', 'maxmemory', '1');
  await write(1, 'new');
  await app.cacheflow.caughtUp();
  expect(await stage.redis.get('shop:users:1')).toBeNull();
  expect(refusals(app)).toEqual([
    'Redis refused a value (OOM); its key was removed instead, and it is written again',
  ]);

  await stage.redis.config('SET', 'maxmemory', '0');
  await write(1, 'newer');
  await app.cacheflow.caughtUp();
  expect(await stage.redis.get('shop:users:1')).toBe('{"id":1,"name":"newer"}');
});

it('a Redis without memory for the checkpoint holds the tail loudly, and nothing is lost', async () => {
  const app = await stage.app({ tables: [USERS] });
  await stage.cache('shop:users:1', 'shop:users:2', 'shop:users:3', 'shop:users:4');
  await stage.redis.config('SET', 'maxmemory', '1');
  for (const id of [1, 2, 3]) await write(id, `oom ${id}`);
  await waitFor(() => app.errors.some((error) => error instanceof CheckpointFailedError), {
    message: 'the report',
  });
  // Removing takes no memory.
  await waitFor(async () => (await stage.redis.get('shop:users:1')) === null, {
    message: 'the first removal',
  });

  await stage.redis.config('SET', 'maxmemory', '0');
  await app.cacheflow.caughtUp();
  expect(await stage.redis.mget('shop:users:1', 'shop:users:2', 'shop:users:3', 'shop:users:4')).toEqual([
    null,
    null,
    null,
    'cached',
  ]);
  const { position } = app.cacheflow.status();
  await waitFor(() => app.cacheflow.status().checkpoint?.offset === position?.offset, {
    message: 'the checkpoint',
  });
});

it('keys that the user may not write are told one by one, and all others are right', async () => {
  await stage.redis.acl(
    'SETUSER',
    'limited',
    'on',
    '>pw',
    '+@all',
    '~cacheflow:*',
    '~cf:*',
    '~shop:users:1*',
    '%R~shop:*',
  );
  const redis = { port: stage.redisServer.port, username: 'limited', password: 'pw' };
  for (const strategy of ['cache-aside', 'write-through'] as const) {
    const app = await stage.app({ redis, tables: [{ ...USERS, strategy }] });
    await stage.cache('shop:users:1', 'shop:users:10', 'shop:users:2');
    await stage.sql.query('REPLACE INTO shop.users VALUES (1, UUID()), (2, UUID()), (10, UUID())');
    await app.cacheflow.caughtUp();
    const [one, ten, two] = await stage.redis.mget('shop:users:1', 'shop:users:10', 'shop:users:2');
    expect([one, ten].map((value) => value !== 'cached')).toEqual([true, true]);
    expect(two).toBe('cached');
    expect(refusals(app)).toEqual([
      'Redis refuses to remove a key (NOPERM), which may be stale until it does: allow the user UNLINK on it, and requeue its dead letter if it has become one',
    ]);
    expect(app.cacheflow.status().state).toBe('streaming');
    await app.close();
    await stage.redis.flushall();
  }
});

it('a flush that the user may not do is told, and the stream goes on', async () => {
  await stage.redis.acl('SETUSER', 'noscan', 'on', '>pw', '+@all', '-scan', '~*');
  const app = await stage.app({
    redis: { port: stage.redisServer.port, username: 'noscan', password: 'pw' },
    tables: [
      {
        ...USERS,
        match: 'user:*',
        key: ({ id }: { id: number }) => {
          if (id === 13) throw new Error('no key');
          return `user:${id}`;
        },
      },
    ],
  });
  await write(13, crypto.randomUUID());
  await stage.cache('user:14');
  await write(14, crypto.randomUUID());
  await app.cacheflow.caughtUp();
  expect(refusals(app)).toEqual([
    'Redis refuses to scan for or remove keys (NOPERM), which may be stale until it does: allow the user SCAN and UNLINK, and requeue the dead letter if it has become one',
  ]);
  expect(await stage.redis.get('user:14')).toBeNull();
});

it('a flush under a pattern that matches everything spares the checkpoints', async () => {
  const key = (): never => {
    throw new Error('no key');
  };
  const app = await stage.app({ tables: [{ ...USERS, key, match: '*' }] });
  const checkpoints = ['cacheflow:default:checkpoint', 'cacheflow:other:checkpoint'];
  await stage.cache('anything', 'cacheflow:other:checkpoint');
  await write(20, crypto.randomUUID());
  await app.cacheflow.caughtUp();
  expect(await stage.redis.mget('anything', ...checkpoints)).toEqual([null, expect.any(String), 'cached']);
});
