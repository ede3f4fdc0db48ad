import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp } from '../../support/app';
import type { RedisServer, SqlServer } from '../../support/servers';
import { startMariadb, startRedis } from '../../support/servers';

let sql: SqlServer;
let redis: RedisServer;
beforeAll(async () => {
  [sql, redis] = await Promise.all([startMariadb(), startRedis()]);
  await sql.query('CREATE DATABASE v; CREATE TABLE v.t (id INT PRIMARY KEY, n INT) WITH SYSTEM VERSIONING');
});
afterAll(async () => {
  await Promise.all([sql?.dispose(), redis?.dispose()]);
});

it('refuses write-through of a system-versioned table of MariaDB, also under a wildcard', async () => {
  const options = { mysql: sql.connectionOptions(), redis: { port: redis.port } };
  for (const table of ['t', '*']) {
    await expect(
      startApp({ ...options, tables: [{ db: 'v', table, strategy: 'write-through' }] }),
    ).rejects.toThrow(/system-versioned.*\n\s*Fix: Use strategy: 'cache-aside'/);
  }
});

it('removes the keys of a system-versioned table', async () => {
  const options = { mysql: sql.connectionOptions(), redis: { port: redis.port } };
  const app = await startApp({ ...options, tables: [{ db: 'v', table: '*' }] });
  try {
    await sql.query('INSERT INTO v.t VALUES (1, 1), (2, 2)');
    await app.cacheflow.caughtUp();
    await redis.command('MSET', 'v:t:1', 'cached', 'v:t:2', 'cached');
    await sql.query('UPDATE v.t SET n = 5 WHERE id = 1; DELETE FROM v.t WHERE id = 2');
    await app.cacheflow.caughtUp();
    expect(await redis.command('EXISTS', 'v:t:1', 'v:t:2')).toBe(0);
    expect(app.errors).toEqual([]);
  } finally {
    await app.close();
  }
});
