import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TestApp } from '../support/app';
import { startApp } from '../support/app';
import type { RedisServer, SqlServer } from '../support/servers';
import { startMariadb, startMysql, startRedis } from '../support/servers';

describe.each([
  ['MySQL', startMysql],
  ['MariaDB', startMariadb],
])('cache-aside on %s', (_name, startSql) => {
  let sql: SqlServer;
  let redisServer: RedisServer;
  let redis: Redis;
  let app: TestApp;

  beforeAll(async () => {
    [sql, redisServer] = await Promise.all([startSql(), startRedis()]);
    redis = new Redis(redisServer.port);
    await sql.query('CREATE DATABASE user; CREATE TABLE user.users (id INT PRIMARY KEY, name VARCHAR(50))');
  });
  afterAll(async () => {
    redis?.disconnect();
    await Promise.all([sql?.dispose(), redisServer?.dispose()]);
  });
  beforeEach(async () => {
    app = await startApp({
      mysql: sql.connectionOptions(),
      redis: { port: redisServer.port },
      tables: [{ db: 'user', table: 'users' }],
    });
    await app.cacheflow.caughtUp();
  });
  afterEach(async () => {
    await app.close();
    await redis.flushall();
  });

  it('removes the key of an updated row and leaves the others', async () => {
    await sql.query("INSERT INTO user.users VALUES (1, 'a'), (2, 'b')");
    await app.cacheflow.caughtUp();
    await redis.mset('user:users:1', 'a', 'user:users:2', 'b');
    await sql.query("UPDATE user.users SET name = 'c' WHERE id = 1");
    await app.cacheflow.caughtUp();
    expect(await redis.mget('user:users:1', 'user:users:2')).toEqual([null, 'b']);
    expect(app.events.at(-1)).toMatchObject({ action: 'update', before: { id: 1, name: 'a' }, after: { id: 1, name: 'c' } });
    expect(app.errors).toEqual([]);
  });
});
