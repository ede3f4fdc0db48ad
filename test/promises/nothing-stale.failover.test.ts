import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { TableOptions } from '../../lib';
import type { Stage } from '../support/each-sql';
import { describeEachSql } from '../support/each-sql';
import { replicate } from '../support/replicate';
import type { SqlServer } from '../support/servers';
import { startMariadb, startMysql } from '../support/servers';
import { SwitchingProxy } from '../support/switching-proxy';
import { waitFor } from '../support/wait-for';

// After a failover or a restore, no place of the old binlog is taken for one of the new.

const SCHEMA = 'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, n INT)';
const USERS: TableOptions = { db: 'shop', table: 'users' };
const TRANSACTIONS = 20;
const ROWS = 2_000;

const startReplica = (kind: Stage['kind']): Promise<SqlServer> =>
  kind === 'mysql'
    ? startMysql({ args: ['--server-id=2', '--log-replica-updates=ON'] })
    : startMariadb({ args: ['--server-id=2', '--log-slave-updates=ON'] });

/** Copies the files of a server as they are at one moment, as a snapshot of its volume does; resolves with where. */
async function copyOfFiles(server: SqlServer): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cacheflow-failover-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const copy = join(folder, 'data');
  server.pause();
  try {
    await cp(server.dataDir, copy, { recursive: true });
  } finally {
    server.resume();
  }
  return copy;
}

/** The server goes back to the copy; resolves when it answers. */
async function restore(server: SqlServer, copy: string): Promise<void> {
  await server.kill();
  await rm(server.dataDir, { recursive: true });
  await cp(copy, server.dataDir, { recursive: true });
  await server.start();
}

describeEachSql('a source', { schema: SCHEMA }, (stage) => {
  it('that fails over while `caughtUp` waits lets it resolve only once all was applied', async () => {
    const replica = await startReplica(stage.kind);
    onTestFinished(() => replica.dispose());
    // Its files have higher numbers than the one that `caughtUp` was told of by the old primary.
    for (let file = 0; file < 8; file++) await replica.query('FLUSH BINARY LOGS');
    const proxy = await SwitchingProxy.start(stage.sql.port);
    onTestFinished(() => proxy.dispose());
    const app = await stage.app({
      tables: [USERS],
      mysql: { ...stage.sql.connectionOptions(), port: proxy.port },
      reconnect: { minMillis: 20, maxMillis: 200 },
    });
    await stage.cache('shop:users:1');
    app.cacheflow.pause();
    // Much to read before the change that matters.
    for (let transaction = 1; transaction <= TRANSACTIONS; transaction++) {
      const rows = Array.from({ length: ROWS }, (_, row) => [transaction * 10_000 + row, 1]);
      await stage.sql.query('INSERT INTO shop.users VALUES ?', [rows]);
    }
    await stage.sql.query('REPLACE INTO shop.users VALUES (1, 5)');
    const valueThen = app.cacheflow
      .caughtUp({ timeoutMillis: 60_000 })
      .then(() => stage.redis.get('shop:users:1'));
    // Not unhandled when something else fails before it is awaited.
    valueThen.catch(() => undefined);
    // Only now, so that the old primary was asked long before the replica has got everything.
    await replica.query(replicate(stage.sql));
    await waitFor(async () => (await replica.query('SELECT 1 FROM shop.users WHERE id = 1')).length === 1, {
      message: 'the replica',
      timeoutMillis: 30_000,
    });
    proxy.close();
    proxy.open(replica.port);
    app.cacheflow.resume();
    expect(await valueThen).toBeNull();
  }, 120_000);

  it('of one kind that gives way to one of the other kind costs all keys, and is followed', async () => {
    const other = await (stage.kind === 'mysql' ? startMariadb : startMysql)();
    onTestFinished(() => other.dispose());
    await other.query(SCHEMA);
    const app = await stage.app({ tables: [USERS] });
    await stage.sql.query('REPLACE INTO shop.users VALUES (1, 1)');
    await app.cacheflow.caughtUp();
    await app.close();
    await stage.cache('shop:users:1', 'shop:users:2', 'shop:users:3');
    const later = await stage.app({ tables: [USERS], mysql: other.connectionOptions() });
    await later.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:users:1', 'shop:users:2')).toEqual([null, null]);
    expect(later.errors.map(({ message }) => message)).toEqual([
      expect.stringMatching(/Changes were missed, because the source is \w+ now/),
    ]);
    await stage.cache('shop:users:2', 'shop:users:3');
    await other.query('INSERT INTO shop.users VALUES (2, 2)');
    await later.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:users:2', 'shop:users:3')).toEqual([null, 'cached']);
    expect(later.events.map(({ after }) => after)).toEqual([{ id: 2, n: 2 }]);
  });

  it('that comes back from an older copy, and writes as many transactions again, costs all keys', async () => {
    await stage.sql.query('REPLACE INTO shop.users VALUES (1, 1), (2, 1)');
    const app = await stage.app({ tables: [USERS] });
    const copy = await copyOfFiles(stage.sql);
    for (let time = 0; time < 3; time++) {
      await stage.sql.query('UPDATE shop.users SET n = n + 10 WHERE id = 1');
    }
    await app.cacheflow.caughtUp();
    await app.close();

    await restore(stage.sql, copy);
    // The one is of the history that is gone, the other of before the changes that nobody has read.
    await stage.cache('shop:users:1', 'shop:users:2', 'other:1');
    // More than were lost, under the same GTIDs: by its number alone, each is taken for one that was applied.
    for (let time = 0; time < 5; time++) {
      await stage.sql.query('UPDATE shop.users SET n = n + 7 WHERE id = 2');
    }
    const next = await stage.app({ tables: [USERS] });
    expect(await stage.redis.mget('shop:users:1', 'shop:users:2', 'other:1')).toEqual([null, null, 'cached']);
    expect(next.errors.map(({ code }) => code)).toEqual(['CACHEFLOW_POSITION_LOST']);

    await stage.cache('shop:users:1', 'shop:users:2');
    await stage.sql.query('UPDATE shop.users SET n = n + 7 WHERE id = 2');
    await next.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:users:1', 'shop:users:2')).toEqual(['cached', null]);
  }, 120_000);
});
