import { Injectable } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Connection } from 'mysql2/promise';
import { createConnection } from 'mysql2/promise';
import { firstValueFrom, tap } from 'rxjs';
import { expect, it, onTestFinished } from 'vitest';
import type { ChangeEvent, TableOptions } from '../../lib';
import { CacheflowModule, CacheflowService, EventUnsupportedError, OnBinlog } from '../../lib';
import type { TestApp } from '../support/app';
import { stallCommits } from '../support/commit-stall';
import type { Stage } from '../support/each-sql';
import { describeEachSql } from '../support/each-sql';
import { waitFor } from '../support/wait-for';

// The rows of an XA transaction stand in the binlog when it is prepared, and count when it is committed.

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.t (id INT PRIMARY KEY, v INT);
  CREATE TABLE shop.aside (id INT PRIMARY KEY, v INT);
  CREATE TABLE shop.other (id INT PRIMARY KEY, v INT);
  CREATE TABLE shop.big (id INT PRIMARY KEY, v INT, note VARCHAR(1000));`;
const tables: TableOptions[] = [
  { db: 'shop', table: 't', strategy: 'write-through' },
  { db: 'shop', table: 'big', strategy: 'write-through' },
  { db: 'shop', table: 'aside' },
  { db: 'shop', table: 'other' },
];

async function connect(stage: Stage): Promise<Connection> {
  const connection = await createConnection({ ...stage.sql.connectionOptions(), database: 'shop' });
  connection.on('error', () => undefined);
  onTestFinished(() => connection.destroy());
  return connection;
}

/** Prepares a transaction; its session is gone afterwards, so that any other one may finish it. */
async function prepare(stage: Stage, xid: string, ...statements: string[]): Promise<void> {
  const connection = await connect(stage);
  for (const sql of [`XA START ${xid}`, ...statements, `XA END ${xid}`, `XA PREPARE ${xid}`]) {
    await connection.query(sql);
  }
  await connection.end();
}

/** Commits or rolls back what was prepared, once the server has taken it from the session that is gone. */
async function finish(stage: Stage, xid: string, how: 'COMMIT' | 'ROLLBACK' = 'COMMIT'): Promise<void> {
  await waitFor(() => stage.sql.query(`XA ${how} ${xid}`), { message: `XA ${how}` });
}

async function reset(stage: Stage): Promise<void> {
  await stage.sql.query(
    `DELETE FROM shop.t; DELETE FROM shop.aside; DELETE FROM shop.big; DELETE FROM shop.other;
     INSERT INTO shop.t VALUES (1, 0), (2, 0), (3, 0); INSERT INTO shop.aside SELECT * FROM shop.t;
     INSERT INTO shop.other SELECT * FROM shop.t`,
  );
}

function told({ action, table, before, after }: ChangeEvent): string {
  const row = after ?? before;
  return `${action} ${table} ${String(row?.['id'])}=${String(row?.['v'])}`;
}

/** That write-through's values are those of the rows, and that keys of a table that nobody touched are there. */
async function expectExact(stage: Stage, app: TestApp): Promise<void> {
  await app.cacheflow.caughtUp({ timeoutMillis: 30_000 });
  const rows = await stage.sql.query<{ id: number; v: number }>('SELECT * FROM shop.t');
  for (const key of await stage.redis.keys('shop:t:*')) {
    const row = rows.find(({ id }) => key === `shop:t:${id}`);
    expect(await stage.redis.get(key), key).toBe(row && JSON.stringify(row));
  }
  expect(await stage.redis.get('shop:other:1')).toBe('cached');
  expect(app.errors).toEqual([]);
}

const rowsOf = (from: number, count: number, note = 'NULL'): string =>
  Array.from({ length: count }, (_, at) => `(${from + at}, 1, ${note})`).join();

describeEachSql('an XA transaction', { schema: SCHEMA }, (stage) => {
  it('counts when it is committed, with its events and in the order of the commits', async () => {
    await reset(stage);
    const handled: string[] = [];
    @Injectable()
    class Listener {
      @OnBinlog('shop.*')
      on(event: ChangeEvent): void {
        handled.push(told(event));
      }
    }
    const app = await stage.app({ tables }, { providers: [Listener] });
    await stage.cache('shop:aside:1', 'shop:aside:2', 'shop:other:1');
    await prepare(stage, "'a'", 'UPDATE t SET v = 1 WHERE id = 1', 'UPDATE aside SET v = 1 WHERE id = 1');
    await prepare(stage, "'b','branch',77", 'UPDATE t SET v = 2 WHERE id = 2', 'DELETE FROM t WHERE id = 3');
    await stage.sql.query('UPDATE shop.aside SET v = 9 WHERE id = 2');
    await app.cacheflow.caughtUp();
    expect(app.events.map(told)).toEqual(['update aside 2=9']);
    expect(await stage.redis.mget('shop:aside:1', 'shop:aside:2')).toEqual(['cached', null]);
    await finish(stage, "'b','branch',77");
    await stage.sql.query('INSERT INTO shop.t VALUES (4, 4)');
    await finish(stage, "'a'");
    await expectExact(stage, app);
    const events = [
      'update aside 2=9',
      'update t 2=2',
      'delete t 3=0',
      'insert t 4=4',
      'update t 1=1',
      'update aside 1=1',
    ];
    expect(app.events.map(told)).toEqual(events);
    await waitFor(() => handled.length === events.length);
    expect([...handled].sort()).toEqual([...events].sort());
    expect(await stage.redis.get('shop:t:1')).toBe('{"id":1,"v":1}');
    expect(await stage.redis.get('shop:aside:1')).toBeNull();
    const places = app.events.map(({ position: { file, offset, row } }) => `${file}:${offset}:${row}`);
    expect(new Set(places).size).toBe(events.length);
    const offsets = app.events.map(({ position }) => position.offset);
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
  });

  it('never happened when it is rolled back, prepared or not', async () => {
    await reset(stage);
    const app = await stage.app({ tables });
    await stage.cache('shop:aside:1', 'shop:other:1');
    const changes = ['UPDATE t SET v = 1 WHERE id = 1', 'UPDATE aside SET v = 1 WHERE id = 1'];
    await prepare(stage, "'a'", ...changes);
    await finish(stage, "'a'", 'ROLLBACK');
    const connection = await connect(stage);
    for (const sql of ["XA START 'a'", ...changes, "XA END 'a'", "XA ROLLBACK 'a'"])
      await connection.query(sql);
    await stage.sql.query('INSERT INTO shop.t VALUES (4, 4)');
    await expectExact(stage, app);
    expect(app.events.map(told)).toEqual(['insert t 4=4']);
    expect(await stage.redis.get('shop:aside:1')).toBe('cached');
  });

  it('of one phase, or named in bytes, or named like an earlier one, is like any other', async () => {
    await reset(stage);
    const app = await stage.app({ tables });
    await stage.cache('shop:other:1');
    const connection = await connect(stage);
    for (const sql of [
      "XA START 'a'",
      'UPDATE t SET v = 1 WHERE id = 1',
      "XA END 'a'",
      "XA COMMIT 'a' ONE PHASE",
    ]) {
      await connection.query(sql);
    }
    const bytes = "X'00275CFF22', X'0060', 2147483647";
    await prepare(stage, bytes, 'UPDATE t SET v = 2 WHERE id = 2');
    await finish(stage, bytes);
    await prepare(stage, "'a'", 'UPDATE t SET v = 30 WHERE id = 3');
    await finish(stage, "'a'", 'ROLLBACK');
    await prepare(stage, "'a'", 'UPDATE t SET v = 3 WHERE id = 3');
    await finish(stage, "'a'");
    await expectExact(stage, app);
    expect(app.events.map(told)).toEqual(['update t 1=1', 'update t 2=2', 'update t 3=3']);
  });

  if (stage.kind === 'mariadb') {
    it('is rid of what was rolled back to a savepoint, or with the whole, beside a temporary table', async () => {
      await reset(stage);
      const app = await stage.app({ tables });
      await stage.cache('shop:other:1');
      const changes = [
        'CREATE TEMPORARY TABLE x (id INT)',
        'UPDATE t SET v = 1 WHERE id = 1',
        'SAVEPOINT s',
        'UPDATE t SET v = 99 WHERE id = 2',
        'ROLLBACK TO s',
        'UPDATE t SET v = 3 WHERE id = 3',
      ];
      await prepare(stage, "'a'", ...changes);
      await finish(stage, "'a'");
      const connection = await connect(stage);
      for (const sql of ["XA START 'b'", ...changes, "XA END 'b'", "XA ROLLBACK 'b'"])
        await connection.query(sql);
      await expectExact(stage, app);
      expect(app.events.map(told)).toEqual(['update t 1=1', 'update t 3=3']);
    });
  }

  it('is given to who listens only since it was prepared', async () => {
    await reset(stage);
    const { cacheflow, close } = await bootSilently(stage);
    onTestFinished(close);
    await cacheflow.caughtUp();
    await prepare(stage, "'a'", 'UPDATE aside SET v = 1 WHERE id = 1');
    await cacheflow.caughtUp();
    const events: string[] = [];
    const subscription = cacheflow.events$.subscribe((event) => events.push(told(event)));
    await finish(stage, "'a'");
    await cacheflow.caughtUp();
    subscription.unsubscribe();
    expect(events).toEqual(['update aside 1=1']);
  });

  it.each(['the app', 'the app, killed', 'the connection', 'the server'])(
    'that is prepared before a restart of %s is committed after it',
    async (what) => {
      await reset(stage);
      const options = { tables, reconnect: { minMillis: 10, maxMillis: 100 } };
      let app = what === 'the app, killed' ? undefined : await stage.app(options);
      const tail = app ? undefined : await stage.spawn(stage.options(options));
      await tail?.caughtUp();
      await stage.cache('shop:aside:1', 'shop:other:1');
      await prepare(stage, "'a'", 'UPDATE t SET v = 1 WHERE id = 1', 'UPDATE aside SET v = 1 WHERE id = 1');
      await prepare(stage, "'b'", 'UPDATE t SET v = 2 WHERE id = 2');
      await stage.sql.query('UPDATE shop.t SET v = 5 WHERE id = 3');
      await (app?.cacheflow ?? tail)?.caughtUp();
      if (what === 'the app') await app?.close();
      if (what === 'the app, killed') await tail?.kill();
      if (what === 'the connection') await killDumps(stage);
      if (what === 'the server') {
        await stage.sql.kill();
        await stage.sql.start();
      }
      if (what.startsWith('the app')) {
        await finish(stage, "'b'", 'ROLLBACK');
        app = await stage.app(options);
      }
      const before = app?.events.length;
      await finish(stage, "'a'");
      if (!what.startsWith('the app')) await finish(stage, "'b'", 'ROLLBACK');
      await app?.cacheflow.caughtUp({ timeoutMillis: 30_000 });
      expect(app?.events.slice(before).map(told)).toEqual(['update t 1=1', 'update aside 1=1']);
      expect(await stage.redis.mget('shop:aside:1', 'shop:other:1')).toEqual([null, 'cached']);
      expect(await stage.redis.get('shop:t:1')).toBe('{"id":1,"v":1}');
      expect(app?.errors.filter(({ code }) => code !== 'CACHEFLOW_SOURCE_UNAVAILABLE')).toEqual([]);
    },
  );

  it.each(['prepared', 'of one phase'])('that is too large to keep is read again: %s', async (kind) => {
    await reset(stage);
    const app = await stage.app({ tables, queue: { maxRows: 500 } });
    await stage.cache('shop:other:1', 'shop:aside:1');
    const changes = [
      `INSERT INTO big VALUES ${rowsOf(1, 4_000, "REPEAT('w', 500)")}`,
      'UPDATE aside SET v = 1 WHERE id = 1',
      `INSERT INTO big VALUES ${rowsOf(4_001, 4_000, "REPEAT('w', 500)")}`,
      'UPDATE t SET v = 1 WHERE id = 1',
    ];
    if (kind === 'prepared') {
      await prepare(stage, "'a'", ...changes);
      await app.cacheflow.caughtUp();
      expect(app.events).toEqual([]);
      await stage.sql.query('UPDATE shop.t SET v = 2 WHERE id = 2');
      await finish(stage, "'a'");
    } else {
      await stage.sql.query('UPDATE shop.t SET v = 2 WHERE id = 2');
      const connection = await connect(stage);
      for (const sql of ["XA START 'a'", ...changes, "XA END 'a'", "XA COMMIT 'a' ONE PHASE"]) {
        await connection.query(sql);
      }
    }
    await stage.sql.query('UPDATE shop.t SET v = 3 WHERE id = 3');
    await expectExact(stage, app);
    const events = app.events.map(told);
    expect(events.length).toBe(8_004);
    expect(events[0]).toBe('update t 2=2');
    expect(events.slice(-2)).toEqual(['update t 1=1', 'update t 3=3']);
    expect(events[4_001]).toBe('update aside 1=1');
    const ids = app.events.flatMap(({ table, after }) => (table === 'big' ? [after?.['id']] : []));
    expect(ids).toEqual(Array.from({ length: 8_000 }, (_, at) => at + 1));
    expect(await stage.redis.exists('shop:big:1', 'shop:big:8000')).toBe(2);
    expect(await stage.redis.get('shop:aside:1')).toBeNull();
  });

  it('that is one of several, all too large, counts in the order of the commits while Redis hangs', async () => {
    await reset(stage);
    const app = await stage.app({ tables, queue: { maxRows: 500 } });
    await stage.cache('shop:other:1');
    for (const at of [1, 2, 3, 4]) {
      const rows = rowsOf(at * 10_000, 2_000, "REPEAT('w', 700)");
      await prepare(stage, `'${at}'`, `INSERT INTO big VALUES ${rows}`, `INSERT INTO t VALUES (${at}0, 1)`);
    }
    await app.cacheflow.caughtUp();
    expect(app.events).toEqual([]);
    stage.redisServer.pause();
    try {
      for (const at of [3, 1, 4]) {
        await finish(stage, `'${at}'`);
        await stage.sql.query(`INSERT INTO shop.t VALUES (${at}1, 2)`);
      }
      await finish(stage, "'2'", 'ROLLBACK');
      await waitFor(() => app.cacheflow.status().redis.waitingSince !== undefined);
    } finally {
      stage.redisServer.resume();
    }
    await expectExact(stage, app);
    const events = app.events.map(told);
    expect(events.filter((event) => event.startsWith('insert t'))).toEqual(
      ['30=1', '31=2', '10=1', '11=2', '40=1', '41=2'].map((row) => `insert t ${row}`),
    );
    expect(events.length).toBe(6_006);
    expect(await stage.redis.exists('shop:big:10000', 'shop:big:20000', 'shop:big:41999')).toBe(2);
  });

  it('that is committed while the tail is paused is given out when it goes on', async () => {
    await reset(stage);
    const app = await stage.app({ tables, queue: { maxRows: 500 } });
    await stage.cache('shop:other:1');
    const rows = rowsOf(1, 4_000, "REPEAT('w', 700)");
    await prepare(stage, "'small'", 'INSERT INTO t VALUES (50, 1)');
    await prepare(stage, "'large'", `INSERT INTO big VALUES ${rows}`, 'INSERT INTO t VALUES (51, 1)');
    await app.cacheflow.caughtUp();
    app.cacheflow.pause();
    await finish(stage, "'large'");
    await finish(stage, "'small'");
    await stage.sql.query('INSERT INTO shop.t VALUES (52, 1)');
    expect(app.events).toEqual([]);
    // Once more in the midst of the second reading.
    const begun = firstValueFrom(app.cacheflow.events$.pipe(tap(() => app.cacheflow.pause())));
    app.cacheflow.resume();
    await begun;
    expect(app.events.length).toBeLessThan(4_003);
    app.cacheflow.resume();
    await expectExact(stage, app);
    expect(app.events.length).toBe(4_003);
    expect(app.events.slice(-3).map(told)).toEqual(['insert t 51=1', 'insert t 50=1', 'insert t 52=1']);
  });

  it('whose rows were purged costs its tables all keys, and no other table any', async () => {
    await reset(stage);
    const app = await stage.app({ tables });
    await stage.cache('shop:aside:1', 'shop:aside:3', 'shop:other:1');
    await prepare(stage, "'a'", 'UPDATE aside SET v = 1 WHERE id = 1');
    await stage.sql.query('FLUSH BINARY LOGS; UPDATE shop.t SET v = 2 WHERE id = 2');
    await app.cacheflow.caughtUp();
    await app.close();
    const files = await stage.sql.query<{ Log_name: string }>('SHOW BINARY LOGS');
    await stage.sql.query('PURGE BINARY LOGS TO ?', [files.at(-1)?.Log_name]);
    const later = await stage.app({ tables });
    await finish(stage, "'a'");
    await later.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:aside:1', 'shop:aside:3', 'shop:other:1')).toEqual([
      null,
      null,
      'cached',
    ]);
    expect(later.errors.length).toBe(1);
    expect(later.errors[0]).toBeInstanceOf(EventUnsupportedError);
    expect(later.errors[0]?.message).toMatch(
      /An XA transaction was committed whose rows can no longer be read .*all keys of shop\.aside are removed/,
    );
    expect(later.events).toEqual([]);
  });

  it('whose statements were purged costs all tables all keys', async () => {
    await reset(stage);
    const app = await stage.app({ tables });
    await stage.cache('shop:aside:1', 'shop:other:1');
    const connection = await connect(stage);
    await connection.query("SET SESSION binlog_format = 'STATEMENT'");
    for (const sql of [
      "XA START 'a'",
      'UPDATE aside SET v = 1 WHERE id = 1',
      "XA END 'a'",
      "XA PREPARE 'a'",
    ]) {
      await connection.query(sql);
    }
    await connection.end();
    await stage.sql.query('FLUSH BINARY LOGS; UPDATE shop.t SET v = 2 WHERE id = 2');
    await app.cacheflow.caughtUp();
    await app.close();
    const files = await stage.sql.query<{ Log_name: string }>('SHOW BINARY LOGS');
    await stage.sql.query('PURGE BINARY LOGS TO ?', [files.at(-1)?.Log_name]);
    const later = await stage.app({ tables });
    expect(await stage.redis.mget('shop:aside:1', 'shop:other:1')).toEqual(['cached', 'cached']);
    await finish(stage, "'a'");
    await later.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:aside:1', 'shop:other:1')).toEqual([null, null]);
    expect(later.errors.map(({ message }) => message)).toEqual([
      expect.stringMatching(/rows can no longer be read .*all keys of all watched tables are removed/),
    ]);
  });

  it('that was prepared before the first start costs all keys, and is told', async () => {
    await reset(stage);
    await prepare(stage, "'a'", 'UPDATE aside SET v = 1 WHERE id = 1');
    const app = await stage.app({ tables });
    await stage.cache('shop:aside:1', 'shop:other:1');
    await finish(stage, "'a'");
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:aside:1', 'shop:other:1')).toEqual([null, null]);
    expect(app.errors.map(({ message }) => message)).toEqual([
      expect.stringMatching(
        /An XA transaction was committed that was prepared before the tail began; all keys/,
      ),
    ]);
    await prepare(stage, "'b'", 'UPDATE aside SET v = 2 WHERE id = 1');
    await stage.cache('shop:aside:1', 'shop:other:1');
    await finish(stage, "'b'", 'ROLLBACK');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:aside:1', 'shop:other:1')).toEqual(['cached', 'cached']);
    expect(app.errors.length).toBe(1);
  });

  it('whose commit hangs holds the invalidation until it can be read', async () => {
    await reset(stage);
    const app = await stage.app({ tables });
    await prepare(stage, "'a'", 'UPDATE aside SET v = 1 WHERE id = 1');
    const counters = app.cacheflow.status().counters;
    const stall = await stallCommits(stage.sql);
    // Not over the connection that ends the stall.
    const writer = await connect(stage);
    const commit = waitFor(() => writer.query("XA COMMIT 'a'"), { timeoutMillis: 30_000 });
    commit.catch(() => undefined);
    try {
      await waitFor(() => app.cacheflow.status().counters.changes > counters.changes, {
        message: 'the event',
      });
      await waitFor(
        () => {
          const { barrier, counters: now } = app.cacheflow.status();
          return (
            Date.now() - (barrier.waitingSince ?? Date.now()) > 150 || now.invalidated > counters.invalidated
          );
        },
        { message: 'the barrier, or the invalidation without it' },
      );
      await stage.cache('shop:aside:1');
    } finally {
      await stall.end();
    }
    await commit;
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:aside:1')).toBeNull();
    expect(app.errors).toEqual([]);
  });
});

/** An app whose events nobody has subscribed to yet. */
async function bootSilently(stage: Stage): Promise<Pick<TestApp, 'cacheflow' | 'close'>> {
  class SilentModule {}
  const context = await NestFactory.createApplicationContext(
    { module: SilentModule, imports: [CacheflowModule.forRoot(stage.options({ tables }))] },
    { logger: false },
  );
  return { cacheflow: context.get(CacheflowService), close: () => context.close() };
}

/** Ends the connections of tails. */
async function killDumps(stage: Stage): Promise<void> {
  const threads = await stage.sql.query<{ Id: number; Command: string }>('SHOW PROCESSLIST');
  for (const { Id: id, Command: command } of threads) {
    if (command.startsWith('Binlog Dump')) await stage.sql.query(`KILL ${id}`);
  }
}
