import type { Connection } from 'mysql2/promise';
import { createConnection } from 'mysql2/promise';
import { expect, it, onTestFinished } from 'vitest';
import type { TableOptions } from '../../lib';
import { SourceUnavailableError, VisibilityStalledError } from '../../lib';
import type { TestApp } from '../support/app';
import { stallCommits } from '../support/commit-stall';
import type { Stage } from '../support/each-sql';
import { describeEachSql } from '../support/each-sql';
import { waitFor } from '../support/wait-for';

// A commit is sent before it can be read: what a reader caches in between must not stay.

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50), body JSON, at TIMESTAMP(3) NULL);
  CREATE TABLE shop.pairs (a BIGINT UNSIGNED, b VARCHAR(20), n INT, PRIMARY KEY (a, b));
  CREATE TABLE shop.loose (id INT, n INT);
  CREATE TABLE shop.logs (id INT, n INT);`;
const tables: TableOptions[] = [{ db: 'shop', table: '*', keyFields: ['id'] }];
tables.unshift({ db: 'shop', table: 'pairs', key: 'shop:pairs:{a}:{b}' });

const withoutGtids = {
  schema: SCHEMA,
  sql: (kind: 'mysql' | 'mariadb') =>
    kind === 'mysql' ? { args: ['--gtid-mode=OFF', '--enforce-gtid-consistency=OFF'] } : {},
};

async function connect(stage: Stage): Promise<Connection> {
  const connection = await createConnection({ ...stage.sql.connectionOptions(), multipleStatements: true });
  // A server that was killed has ended it.
  connection.on('error', () => undefined);
  onTestFinished(() => connection.destroy());
  return connection;
}

/**
 * Runs statements whose commit hangs. When their events have arrived, a reader caches `key`; `during` looks on. Then
 * the commit ends, and what came of the key is returned.
 */
async function raceWith(
  stage: Stage,
  app: TestApp,
  statements: string,
  key: string,
  during: () => Promise<void> = async () => undefined,
): Promise<string | null> {
  const writer = await connect(stage);
  const before = app.cacheflow.status().counters;
  const stall = await stallCommits(stage.sql);
  const commit = writer.query(statements);
  // Awaited below; not unhandled when something else fails first.
  commit.catch(() => undefined);
  try {
    await waitFor(() => app.cacheflow.status().counters.changes > before.changes, { message: 'the event' });
    await waitFor(
      () => waitedMillis(app) > 150 || app.cacheflow.status().counters.invalidated > before.invalidated,
      { message: 'the barrier, or the invalidation without it' },
    );
    await stage.cache(key);
    await during();
  } finally {
    await stall.end();
  }
  await commit;
  await app.cacheflow.caughtUp();
  expect(app.cacheflow.status().barrier.waitingSince).toBeUndefined();
  return stage.redis.get(key);
}

function waitedMillis(app: TestApp): number {
  const { waitingSince } = app.cacheflow.status().barrier;
  return waitingSince === undefined ? 0 : Date.now() - waitingSince;
}

const INSERT = "INSERT INTO shop.users VALUES (1, 'old', '{}', '2020-01-01')";

describeEachSql('a commit that hangs', { schema: SCHEMA }, (stage) => {
  it('holds the invalidation, so that the old row does not stay in the cache', async () => {
    await stage.sql.query(`DELETE FROM shop.users; ${INSERT}`);
    const app = await stage.app({ tables });
    const reader = await connect(stage);
    const { reconnects } = app.cacheflow.status().counters;
    const left = await raceWith(
      stage,
      app,
      "UPDATE shop.users SET name = 'new' WHERE id = 1",
      'shop:users:1',
      async () => {
        const [rows] = await reader.query('SELECT name FROM shop.users WHERE id = 1');
        expect(rows).toEqual([{ name: 'old' }]);
        expect(await stage.redis.get('shop:users:1')).toBe('cached');
        expect(app.events).toEqual([]);
      },
    );
    expect(left).toBeNull();
    expect(app.errors).toEqual([]);
    expect(app.cacheflow.status().counters.reconnects).toBe(reconnects);
  });

  it('is waited for as long as it takes, and told; the tail does not reconnect', async () => {
    await stage.sql.query(`DELETE FROM shop.users; ${INSERT}`);
    const app = await stage.app({ tables, watchdogMillis: 2_000 });
    const left = await raceWith(stage, app, 'DELETE FROM shop.users', 'shop:users:1', async () => {
      const error = await waitFor(() => app.errors[0], { message: 'the report' });
      expect(error).toBeInstanceOf(VisibilityStalledError);
      expect(error?.message).toMatch(
        /^Invalidations have waited 5 s for 127\.0\.0\.1:\d+ to show the transaction /,
      );
      expect(waitedMillis(app)).toBeGreaterThan(4_900);
      expect(app.cacheflow.status()).toMatchObject({ state: 'streaming', counters: { reconnects: 0 } });
    });
    expect(left).toBeNull();
    expect(app.errors).toHaveLength(1);
  });

  it('is still waited for when the connection of the barrier is killed', async () => {
    await stage.sql.query(`DELETE FROM shop.users; ${INSERT}`);
    const app = await stage.app({ tables, reconnect: { minMillis: 20, maxMillis: 200 } });
    const connections = async () => {
      const rows = await stage.sql.query<{ id: number }>(
        'SELECT ID AS id FROM INFORMATION_SCHEMA.PROCESSLIST',
      );
      return rows.map(({ id }) => id);
    };
    const known = await connections();
    const left = await raceWith(stage, app, 'DELETE FROM shop.users', 'shop:users:1', async () => {
      // After all others came the writer and, when there was something to wait for, the barrier.
      const [, barrier] = (await connections()).filter((id) => !known.includes(id)).sort((a, b) => a - b);
      await stage.sql.query('KILL ?', [barrier]);
      const error = await waitFor(() => app.errors[0], { message: 'the report' });
      expect(error).toBeInstanceOf(SourceUnavailableError);
      expect(error?.message).toMatch(/^The visibility barrier cannot ask 127\.0\.0\.1:/);
      await waitFor(async () => (await connections()).some((id) => id > (barrier ?? 0)), {
        message: 'another connection',
      });
      expect(await stage.redis.get('shop:users:1')).toBe('cached');
    });
    expect(left).toBeNull();
    expect(app.cacheflow.status().counters.reconnects).toBe(0);
  });

  it('ends a shutdown in time', async () => {
    await stage.sql.query(`DELETE FROM shop.users; ${INSERT}`);
    const app = await stage.app({ tables, shutdownTimeoutMillis: 300 });
    await raceWithoutEnd(stage, app);
    const before = Date.now();
    await app.close();
    expect(Date.now() - before).toBeLessThan(2_000);
  });
});

async function raceWithoutEnd(stage: Stage, app: TestApp): Promise<void> {
  const writer = await connect(stage);
  const stall = await stallCommits(stage.sql);
  onTestFinished(() => stall.end());
  writer.query('DELETE FROM shop.users').catch(() => undefined);
  await waitFor(() => waitedMillis(app) > 0, { message: 'the barrier' });
}

describeEachSql('without GTIDs, a commit that hangs', withoutGtids, (stage) => {
  const PAIRS =
    "DELETE FROM shop.pairs; INSERT INTO shop.pairs VALUES (18446744073709551615, 'it''s \\\\ ä', 1)";

  it.each([
    ['an update', INSERT, "UPDATE shop.users SET name = 'new'", 'shop:users:1'],
    ['an insert', 'DO 0', INSERT, 'shop:users:1'],
    ['a delete', INSERT, 'DELETE FROM shop.users', 'shop:users:1'],
    ['another key, the old one', INSERT, 'UPDATE shop.users SET id = 2', 'shop:users:1'],
    ['another key, the new one', INSERT, 'UPDATE shop.users SET id = 2', 'shop:users:2'],
    [
      'a row changed twice',
      INSERT,
      "BEGIN; UPDATE shop.users SET name = 'x'; UPDATE shop.users SET name = 'y'; COMMIT",
      'shop:users:1',
    ],
    [
      'a row changed and changed back',
      INSERT,
      "BEGIN; UPDATE shop.users SET name = 'x'; UPDATE shop.users SET name = 'old', body = '[]'; COMMIT",
      'shop:users:1',
    ],
    ['a value that is not compared', INSERT, "UPDATE shop.users SET body = '[1]'", 'shop:users:1'],
    ['a time', INSERT, "UPDATE shop.users SET at = '2020-01-01 00:00:00.5'", 'shop:users:1'],
    [
      'a time that was NULL',
      'INSERT INTO shop.users (id) VALUES (1)',
      'UPDATE shop.users SET at = NOW()',
      'shop:users:1',
    ],
    [
      'a key of several columns',
      PAIRS,
      'UPDATE shop.pairs SET n = 2',
      "shop:pairs:18446744073709551615:it's \\ ä",
    ],
    [
      'a table without a key before one with a key',
      `INSERT INTO shop.loose VALUES (1, 1); ${INSERT}`,
      "BEGIN; UPDATE shop.loose SET n = n + 1; UPDATE shop.users SET name = 'new'; COMMIT",
      'shop:loose:1',
    ],
  ])('is waited for: %s', async (_what, prepare, change, key) => {
    await stage.sql.query('DELETE FROM shop.users; DELETE FROM shop.loose');
    await stage.sql.query(prepare);
    const app = await stage.app({ tables });
    const left = await raceWith(stage, app, change, key, async () => {
      expect(app.cacheflow.status().counters.invalidated).toBe(0);
    });
    expect(left).toBeNull();
    expect(app.errors).toEqual([]);
  });

  it('is waited for in a table without a key, where the server tells what it has committed', async () => {
    await stage.sql.query('DELETE FROM shop.logs; INSERT INTO shop.logs VALUES (1, 1)');
    const app = await stage.app({ tables });
    if (stage.kind === 'mariadb') {
      expect(await raceWith(stage, app, 'UPDATE shop.logs SET n = 2', 'shop:logs:1')).toBeNull();
      return;
    }
    // MySQL has nothing to ask; a pause has to do.
    await stage.cache('shop:logs:1');
    await stage.sql.query('UPDATE shop.logs SET n = 2');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:logs:1')).toBeNull();
  });

  it('does not hang behind a later transaction that keeps the row', async () => {
    await stage.sql.query(`DELETE FROM shop.users; ${INSERT}`);
    const app = await stage.app({ tables });
    const later = await connect(stage);
    const changes = ["name = 'new'", ...(stage.kind === 'mariadb' ? ["body = '[1]'"] : [])];
    for (const change of changes) {
      await stage.cache('shop:users:1');
      app.cacheflow.pause();
      await stage.sql.query(`UPDATE shop.users SET ${change}`);
      await later.query("BEGIN; UPDATE shop.users SET name = 'later'");
      app.cacheflow.resume();
      await app.cacheflow.caughtUp({ timeoutMillis: 2_000 });
      expect(await stage.redis.get('shop:users:1')).toBeNull();
      await later.query('ROLLBACK');
    }
    expect(app.errors).toEqual([]);
  });

  it('leaves the locks of the application alone', async () => {
    await stage.sql.query(`DELETE FROM shop.users; ${INSERT}`);
    const app = await stage.app({ tables });
    const others = await Promise.all([1, 2].map(() => connect(stage)));
    for (const other of others) await other.query('SET innodb_lock_wait_timeout = 1');
    // Each waits for the other one only; a lock of ours in between would show as a deadlock or a timeout.
    await Promise.all(
      others.map(async (other) => {
        for (let i = 0; i < 200; i++) await other.query("UPDATE shop.users SET name = UUID(), body = '[]'");
      }),
    );
    await app.cacheflow.caughtUp();
    expect(app.errors).toEqual([]);
  });
});
