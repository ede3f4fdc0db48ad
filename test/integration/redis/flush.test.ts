import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectRedis, Stage } from '../../support/each-sql';
import { startMysql, startRedis } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

// A flush leaves no key behind, whatever happens to Redis while it scans.

const MANY = 200_000;

describe('a flush', () => {
  const stage = new Stage('mysql');
  beforeAll(async () => {
    [stage.sql, stage.redisServer] = await Promise.all([
      startMysql(),
      // A restart loses nothing, so that nobody takes it for a Redis that went back and flushes for that reason.
      startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] }),
    ]);
    stage.redis = connectRedis(stage.redisServer);
    await stage.sql.query('CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, n INT)');
  });
  afterEach(async () => {
    await stage.closeApps();
    await stage.redis.flushall();
  });
  afterAll(async () => {
    stage.redis?.disconnect();
    await Promise.all([stage.sql?.dispose(), stage.redisServer?.dispose()]);
  });

  it('removes every key, also when Redis restarts in the midst of it and loses nothing', async () => {
    const app = await stage.app({ tables: [{ db: 'shop', table: 'users' }] });
    await stage.cache('other:1');
    await stage.redis.eval(
      "for id = 1, tonumber(ARGV[1]) do redis.call('SET', 'shop:users:' .. id, 'cached') end",
      0,
      MANY,
    );
    await stage.sql.query('TRUNCATE shop.users');
    await waitFor(() => (app.cacheflow.status().flushing?.removed ?? 0) > MANY / 4, {
      message: 'the midst of the flush',
      timeoutMillis: 30_000,
    });
    await stage.redisServer.stop();
    expect(app.cacheflow.status().flushing?.removed).toBeLessThan(MANY);
    // The new process keeps its keys in another order: the old cursor would pass some of them by.
    await stage.redisServer.start();
    await app.cacheflow.caughtUp({ timeoutMillis: 60_000 });
    expect(await stage.redis.keys('shop:users:*')).toEqual([]);
    expect(await stage.redis.get('other:1')).toBe('cached');
    expect(app.errors.map(({ code }) => code)).not.toContain('CACHEFLOW_REDIS_REWOUND');
  }, 120_000);
});
