import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CacheflowOptions } from '../../../lib';
import { SourceUnavailableError, VisibilityStalledError } from '../../../lib';
import type { TestApp } from '../../support/app';
import type { Stage } from '../../support/each-sql';
import { describeEachSql } from '../../support/each-sql';
import type { SqlServer } from '../../support/servers';
import { startMariadb, startMysql } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

// An app whose readers use a replica caches what the replica shows, however late that is.

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50));`;
const tables = [{ db: 'shop', table: 'users' }];
const NO_GTIDS = ['--gtid-mode=OFF', '--enforce-gtid-consistency=OFF'];

/** Starts a replica of the stage's server, from the beginning of its binlog. */
async function startReplica(stage: Stage, gtids: boolean): Promise<SqlServer> {
  const args = ['--server-id=2'];
  const { port } = stage.sql;
  if (stage.kind === 'mariadb') {
    const replica = await startMariadb({ args });
    await replica.query(
      `CHANGE MASTER TO master_host = '127.0.0.1', master_port = ${port}, master_user = 'root', master_use_gtid = slave_pos; START SLAVE`,
    );
    return replica;
  }
  const replica = await startMysql({ args: [...args, ...(gtids ? [] : NO_GTIDS)] });
  const where = gtids ? 'SOURCE_AUTO_POSITION = 1' : "SOURCE_LOG_FILE = 'binlog.000001', SOURCE_LOG_POS = 4";
  await replica.query(
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = ${port}, SOURCE_USER = 'root', ${where}; START REPLICA`,
  );
  return replica;
}

async function applier(stage: Stage, replica: SqlServer, verb: 'START' | 'STOP'): Promise<void> {
  await replica.query(`${verb} ${stage.kind === 'mariadb' ? 'SLAVE' : 'REPLICA'} SQL_THREAD`);
}

async function nameOn(server: SqlServer): Promise<unknown> {
  const [row] = await server.query('SELECT name FROM shop.users WHERE id = 1');
  return row?.['name'];
}

describe.each([true, false])('the barrier of a replica, with GTIDs: %s', (gtids) => {
  const sql = (kind: 'mysql' | 'mariadb') => (kind === 'mysql' && !gtids ? { args: NO_GTIDS } : {});

  describeEachSql('it', { schema: SCHEMA, sql }, (stage) => {
    let replica: SqlServer;
    let barrier: CacheflowOptions['barrier'];
    beforeAll(async () => {
      replica = await startReplica(stage, gtids);
      barrier = { host: replica.host, port: replica.port };
      await waitFor(async () => (await replica.query("SHOW TABLES FROM shop LIKE 'users'")).length === 1, {
        message: 'the replica',
        timeoutMillis: 30_000,
      });
    });
    afterAll(async () => replica?.dispose());

    const waits = (app: TestApp) =>
      waitFor(() => Date.now() - (app.cacheflow.status().barrier.waitingSince ?? Infinity) > 300, {
        message: 'the barrier to wait',
      });

    it('holds the invalidation until the replica shows the change', async () => {
      await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'old')");
      const app = await stage.app({ tables, barrier });
      await waitFor(async () => (await nameOn(replica)) === 'old');
      await applier(stage, replica, 'STOP');
      await stage.cache('shop:users:1');
      await stage.sql.query("UPDATE shop.users SET name = 'new' WHERE id = 1");
      await waits(app);
      expect(await nameOn(replica)).toBe('old');
      expect(await stage.redis.get('shop:users:1')).toBe('cached');
      expect(app.cacheflow.status()).toMatchObject({ state: 'streaming', counters: { reconnects: 0 } });
      await applier(stage, replica, 'START');
      await waitFor(async () => (await stage.redis.get('shop:users:1')) === null);
      expect(await nameOn(replica)).toBe('new');
      await app.cacheflow.caughtUp();
    });

    it('waits for a huge transaction that comes in pieces', async () => {
      const app = await stage.app({ tables, barrier });
      await applier(stage, replica, 'STOP');
      const rows = Array.from({ length: 20_000 }, (_, i) => [i + 10, 'x']);
      await stage.sql.query('REPLACE INTO shop.users VALUES ?', [rows]);
      await waits(app);
      expect(app.cacheflow.status().counters.invalidated).toBe(0);
      await applier(stage, replica, 'START');
      await app.cacheflow.caughtUp({ timeoutMillis: 30_000 });
      const [row] = await replica.query<{ n: number }>('SELECT COUNT(*) AS n FROM shop.users WHERE id >= 10');
      expect(Number(row?.n)).toBe(20_000);
    });

    it('holds, and tells, while the replica is away', async () => {
      await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'old')");
      const app = await stage.app({ tables, barrier, reconnect: { minMillis: 20, maxMillis: 200 } });
      await replica.kill();
      try {
        await stage.cache('shop:users:1');
        await stage.sql.query("UPDATE shop.users SET name = 'newer' WHERE id = 1");
        const error = await waitFor(() => app.errors[0], { message: 'the report' });
        expect(error).toBeInstanceOf(SourceUnavailableError);
        expect(error?.message).toContain(`cannot ask 127.0.0.1:${replica.port}`);
        await waitFor(() => app.errors.some((each) => each instanceof VisibilityStalledError), {
          timeoutMillis: 20_000,
        });
        expect(app.errors.length).toBeLessThan(4);
        expect(await stage.redis.get('shop:users:1')).toBe('cached');
      } finally {
        await replica.start();
      }
      await app.cacheflow.caughtUp({ timeoutMillis: 60_000 });
      expect(await nameOn(replica)).toBe('newer');
      expect(await stage.redis.get('shop:users:1')).toBeNull();
    });
  });
});
