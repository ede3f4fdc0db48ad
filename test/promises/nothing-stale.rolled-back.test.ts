import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection } from 'mysql2/promise';
import { createConnection } from 'mysql2/promise';
import { expect, it, onTestFinished } from 'vitest';
import type { ChangeEvent, TableOptions } from '../../lib';
import type { TestApp } from '../support/app';
import { codesOf } from '../support/app';
import type { Stage } from '../support/each-sql';
import { describeEachSql } from '../support/each-sql';
import { binlogPosition, readBinlog } from '../support/raw-binlog';
import { waitFor } from '../support/wait-for';

// Not every group of events was committed: what was rolled back is never applied, never emitted, never handled.
// MariaDB logs such groups with its default settings whenever a temporary table takes part.

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.t (id INT PRIMARY KEY, v INT);
  CREATE TABLE shop.aside (id INT PRIMARY KEY, v INT);
  CREATE TABLE shop.big (id INT PRIMARY KEY, v INT, note VARCHAR(1000));
  CREATE TABLE shop.parent (id INT PRIMARY KEY);
  CREATE TABLE shop.child (id INT PRIMARY KEY, parent_id INT,
    FOREIGN KEY (parent_id) REFERENCES shop.parent (id) ON DELETE CASCADE);
  CREATE TABLE shop.loose (id INT PRIMARY KEY, v INT) ENGINE = MyISAM;`;
const tables: TableOptions[] = [
  { db: 'shop', table: 't', strategy: 'write-through' },
  { db: 'shop', table: 'big', strategy: 'write-through' },
  { db: 'shop', table: 'aside' },
  { db: 'shop', table: 'child' },
  { db: 'shop', table: 'loose' },
];

async function connect(stage: Stage, charset?: string): Promise<Connection> {
  const connection = await createConnection({
    ...stage.sql.connectionOptions(),
    database: 'shop',
    ...(charset ? { charset } : {}),
  });
  connection.on('error', () => undefined);
  onTestFinished(() => connection.destroy());
  return connection;
}

/** Runs statements in one session of their own. */
async function run(stage: Stage, statements: readonly string[], charset?: string): Promise<void> {
  const connection = await connect(stage, charset);
  for (const statement of statements) await connection.query(statement);
  await connection.end();
}

/** Rows 1 to 5 of `t` and `aside`, each with v = 0; nothing else. */
async function reset(stage: Stage): Promise<void> {
  await stage.sql.query(
    `DELETE FROM shop.t; DELETE FROM shop.aside; DELETE FROM shop.big; DELETE FROM shop.loose;
     INSERT INTO shop.t VALUES (1, 0), (2, 0), (3, 0), (4, 0), (5, 0);
     INSERT INTO shop.aside SELECT * FROM shop.t`,
  );
}

/** `insert t 9=9`: what happened to a row, and its value after it (before it, for a delete). */
function told({ action, table, before, after }: ChangeEvent): string {
  const row = after ?? before;
  return `${action} ${table} ${String(row?.['id'])}=${String(row?.['v'])}`;
}

/** That write-through's values are those of the rows that were changed, and that `aside` lost no other key. */
async function expectExact(stage: Stage, app: TestApp): Promise<void> {
  await app.cacheflow.caughtUp();
  const rows = await stage.sql.query<{ id: number; v: number }>('SELECT * FROM shop.t');
  const values = await stage.redis.keys('shop:t:*');
  for (const key of values) {
    const row = rows.find(({ id }) => key === `shop:t:${id}`);
    expect(await stage.redis.get(key), key).toBe(row && JSON.stringify(row));
  }
  expect(app.errors).toEqual([]);
}

const TEMPORARY = 'CREATE TEMPORARY TABLE x (id INT)';
const NEW = 'INSERT INTO t VALUES (9, 9)';

/** Transactions, and what becomes of them. */
const GROUPS: Record<string, { run: string[]; events: string[] }> = {
  'after a temporary table is created': {
    run: ['BEGIN', TEMPORARY, 'UPDATE t SET v = 99 WHERE id = 1', NEW, 'ROLLBACK'],
    events: [],
  },
  'after a temporary table is dropped': {
    run: [
      TEMPORARY,
      'BEGIN',
      'DELETE FROM t WHERE id = 1',
      'UPDATE aside SET v = 7 WHERE id = 1',
      'DROP TEMPORARY TABLE x',
      'ROLLBACK',
    ],
    events: [],
  },
  'with a key that moves': {
    run: [
      'BEGIN',
      'UPDATE t SET id = 11 WHERE id = 1',
      'UPDATE aside SET id = 12 WHERE id = 2',
      TEMPORARY,
      'ROLLBACK',
    ],
    events: [],
  },
  'to a savepoint': {
    run: [
      'BEGIN',
      'UPDATE t SET v = 1 WHERE id = 1',
      'SAVEPOINT s',
      TEMPORARY,
      'UPDATE t SET v = 99 WHERE id IN (1, 2)',
      'DELETE FROM aside WHERE id = 3',
      NEW,
      'ROLLBACK TO s',
      'UPDATE t SET v = 4 WHERE id = 4',
      'COMMIT',
    ],
    events: ['update t 1=1', 'update t 4=4'],
  },
  'to savepoints within savepoints': {
    run: [
      'BEGIN',
      TEMPORARY,
      'UPDATE t SET v = 1 WHERE id = 1',
      'SAVEPOINT a',
      'UPDATE t SET v = 1 WHERE id = 2',
      'SAVEPOINT b',
      'UPDATE t SET v = 99 WHERE id = 3',
      'SAVEPOINT c',
      'UPDATE t SET v = 99 WHERE id = 4',
      'ROLLBACK TO b',
      'UPDATE t SET v = 1 WHERE id = 5',
      'ROLLBACK TO SAVEPOINT b',
      'UPDATE t SET v = 2 WHERE id = 5',
      'COMMIT',
    ],
    events: ['update t 1=1', 'update t 2=1', 'update t 5=2'],
  },
  'to a savepoint whose name was used twice': {
    run: [
      'BEGIN',
      TEMPORARY,
      'UPDATE t SET v = 1 WHERE id = 1',
      'SAVEPOINT a',
      'UPDATE t SET v = 1 WHERE id = 2',
      'SAVEPOINT b',
      'SAVEPOINT A',
      'UPDATE t SET v = 99 WHERE id = 3',
      'ROLLBACK TO a',
      'COMMIT',
    ],
    events: ['update t 1=1', 'update t 2=1'],
  },
  'to a savepoint that is named in other ways': {
    run: [
      'BEGIN',
      TEMPORARY,
      'UPDATE t SET v = 1 WHERE id = 1',
      'SAVEPOINT `Éa ``x`',
      'UPDATE t SET v = 99 WHERE id = 2',
      'ROLLBACK TO `ea ``X`',
      "SET sql_mode = 'ANSI_QUOTES'",
      'SAVEPOINT "p""q`"',
      'UPDATE t SET v = 98 WHERE id = 2',
      'ROLLBACK WORK TO SAVEPOINT "P""Q`"',
      "SET sql_mode = ''",
      'SAVEPOINT 点',
      'UPDATE t SET v = 97 WHERE id = 2',
      'ROLLBACK TO 点',
      'SAVEPOINT `Größe`',
      'SAVEPOINT s',
      'UPDATE t SET v = 96 WHERE id = 2',
      'SAVEPOINT `ſ`',
      'UPDATE t SET v = 4 WHERE id = 4',
      'SAVEPOINT q',
      'UPDATE t SET v = 95 WHERE id = 2',
      'ROLLBACK TO `ß`',
      'ROLLBACK TO grose',
      'UPDATE t SET v = 3 WHERE id = 3',
      'COMMIT',
    ],
    events: ['update t 1=1', 'update t 3=3'],
  },
  'to a savepoint, and then as a whole': {
    run: [
      'BEGIN',
      TEMPORARY,
      'UPDATE t SET v = 1 WHERE id = 1',
      'SAVEPOINT s',
      'UPDATE t SET v = 2 WHERE id = 1',
      'ROLLBACK TO s',
      'RELEASE SAVEPOINT s',
      'UPDATE t SET v = 3 WHERE id = 1',
      'ROLLBACK',
    ],
    events: [],
  },
  'to a savepoint at the beginning': {
    run: [
      'BEGIN',
      'SAVEPOINT s',
      TEMPORARY,
      'UPDATE t SET v = 99 WHERE id = 1',
      'ROLLBACK TO s',
      'UPDATE t SET v = 2 WHERE id = 2',
      'COMMIT',
    ],
    events: ['update t 2=2'],
  },
  'by the handler of an error in a procedure': {
    run: [
      'DROP PROCEDURE IF EXISTS p',
      `CREATE PROCEDURE p()
       BEGIN
         DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK TO s; END;
         SAVEPOINT s;
         UPDATE t SET v = 99 WHERE id = 2;
         UPDATE aside SET v = 99 WHERE id = 2;
         INSERT INTO t VALUES (1, 1);
       END`,
      'BEGIN',
      TEMPORARY,
      'UPDATE t SET v = 1 WHERE id = 1',
      'CALL p()',
      'UPDATE t SET v = 3 WHERE id = 3',
      'COMMIT',
    ],
    events: ['update t 1=1', 'update t 3=3'],
  },
  'before a chained transaction': {
    run: [
      'SET autocommit = 0',
      TEMPORARY,
      'UPDATE t SET v = 99 WHERE id = 1',
      'ROLLBACK AND CHAIN',
      'UPDATE t SET v = 2 WHERE id = 2',
      'COMMIT AND CHAIN',
      'UPDATE t SET v = 99 WHERE id = 2',
      'ROLLBACK',
    ],
    events: ['update t 2=2'],
  },
  'after a commit by DDL': {
    run: [
      'BEGIN',
      TEMPORARY,
      'UPDATE t SET v = 1 WHERE id = 1',
      'CREATE TABLE scrap (id INT)',
      'BEGIN',
      'DROP TEMPORARY TABLE x',
      'UPDATE t SET v = 99 WHERE id = 1',
      'ROLLBACK',
      'DROP TABLE scrap',
    ],
    events: ['update t 1=1'],
  },
  'whose parent rows had children': {
    run: ['BEGIN', TEMPORARY, 'DELETE FROM parent WHERE id = 1', 'ROLLBACK'],
    events: [],
  },
};

describeEachSql('what was rolled back', { schema: SCHEMA }, (stage) => {
  it.each(Object.entries(GROUPS))('%s never happened', async (_name, group) => {
    await reset(stage);
    await stage.sql.query('REPLACE INTO shop.parent VALUES (1); REPLACE INTO shop.child VALUES (1, 1)');
    const app = await stage.app({ tables });
    // Each row is written once, so that a value which must not change is there to be seen.
    await stage.sql.query('UPDATE shop.t SET v = -1; UPDATE shop.t SET v = 0');
    await app.cacheflow.caughtUp();
    const before = app.events.length;
    await stage.cache('shop:aside:1', 'shop:aside:2', 'shop:aside:3', 'shop:child:1');
    await run(stage, group.run);
    await expectExact(stage, app);
    expect(app.events.slice(before).map(told)).toEqual(group.events);
    expect((await stage.redis.keys('shop:t:*')).length).toBe(5);
    expect(await stage.redis.mget('shop:aside:1', 'shop:aside:2', 'shop:aside:3', 'shop:child:1')).toEqual(
      Array(4).fill('cached'),
    );
  });

  it('with its connection never happened', async () => {
    await reset(stage);
    const app = await stage.app({ tables });
    await stage.cache('shop:aside:1');
    const connection = await connect(stage);
    for (const statement of ['BEGIN', TEMPORARY, 'UPDATE aside SET v = 7 WHERE id = 1', NEW]) {
      await connection.query(statement);
    }
    await stage.sql.query(`KILL ${connection.threadId}`);
    // It holds the row until it is rolled back.
    await stage.sql.query('SELECT * FROM shop.aside WHERE id = 1 FOR UPDATE');
    await run(stage, ['UPDATE t SET v = 2 WHERE id = 2']);
    await expectExact(stage, app);
    expect(app.events.map(told)).toEqual(['update t 2=2']);
    expect(await stage.redis.get('shop:aside:1')).toBe('cached');
  });

  it('in a session of another character set never happened', async () => {
    await reset(stage);
    const app = await stage.app({ tables });
    const statements = ['SAVEPOINT 点二', 'UPDATE t SET v = 99 WHERE id = 2', 'ROLLBACK TO `点二`', 'COMMIT'];
    await run(
      stage,
      ['BEGIN', TEMPORARY, 'UPDATE t SET v = 1 WHERE id = 1', ...statements],
      'GBK_CHINESE_CI',
    );
    await expectExact(stage, app);
    expect(app.events.map(told)).toEqual(['update t 1=1']);
  });

  it('leaves what a table keeps that cannot roll back', async () => {
    await reset(stage);
    const app = await stage.app({ tables });
    // MySQL refuses the second statement where GTIDs are on.
    const inTransaction =
      stage.kind === 'mariadb' ? ['BEGIN', TEMPORARY, 'UPDATE t SET v = 99 WHERE id = 1'] : [];
    await run(stage, [...inTransaction, 'INSERT INTO loose VALUES (1, 1)', 'ROLLBACK']);
    await expectExact(stage, app);
    expect(app.events.map(told)).toEqual(['insert loose 1=1']);
  });

  // MySQL refuses it where GTIDs are on.
  if (stage.kind === 'mariadb') {
    it('is told from what a statement did that was logged instead of its rows', async () => {
      await reset(stage);
      const app = await stage.app({ tables });
      await stage.cache('shop:aside:1');
      await run(stage, [
        "SET SESSION binlog_format = 'STATEMENT'",
        'CREATE TEMPORARY TABLE y (id INT)',
        'BEGIN',
        'UPDATE aside SET v = 7 WHERE id = 1',
        'DROP TEMPORARY TABLE y',
        'ROLLBACK',
      ]);
      await app.cacheflow.caughtUp();
      expect(app.events).toEqual([]);
      // Such a statement may have changed a table that cannot roll back: its keys go.
      expect(await stage.redis.get('shop:aside:1')).toBeNull();
    });
  }

  it(
    'is not given out though it is too large to wait for, and what is kept of it is',
    { timeout: 120_000 },
    async () => {
      await reset(stage);
      const app = await stage.app({ tables });
      const rows = (from: number, count: number): string =>
        Array.from({ length: count }, (_, at) => `(${from + at}, 1, NULL)`).join();
      const wide = (from: number, count: number): string =>
        Array.from({ length: count }, (_, at) => `(${from + at}, 1, REPEAT('w', 1000))`).join();
      await stage.cache('shop:big:1', 'shop:big:7000', 'shop:aside:1');
      await run(stage, [
        'BEGIN',
        TEMPORARY,
        `INSERT INTO big VALUES ${rows(1, 6_000)}`,
        `INSERT INTO big VALUES ${rows(6_001, 6_000)}`,
        'ROLLBACK',
        'BEGIN',
        `INSERT INTO big VALUES ${wide(1, 6_000)}`,
        'ROLLBACK',
      ]);
      await app.cacheflow.caughtUp();
      expect(app.events).toEqual([]);
      expect(await stage.redis.mget('shop:big:1', 'shop:big:7000')).toEqual(['cached', 'cached']);
      await run(stage, [
        'BEGIN',
        'CREATE TEMPORARY TABLE x2 (id INT)',
        `INSERT INTO big VALUES ${rows(1, 1_000)}`,
        'SAVEPOINT a',
        `INSERT INTO big VALUES ${rows(100_001, 3_000)}`,
        'SAVEPOINT b',
        `INSERT INTO big VALUES ${rows(200_001, 3_000)}`,
        'ROLLBACK TO a',
        `INSERT INTO big VALUES ${rows(1_001, 1_000)}`,
        'SAVEPOINT c',
        `UPDATE big SET v = 99`,
        'ROLLBACK TO c',
        `INSERT INTO big VALUES ${wide(2_001, 5_000)}`,
        'COMMIT',
      ]);
      await app.cacheflow.caughtUp();
      expect(app.events.length).toBe(7_000);
      expect(app.events.map(({ action, after }) => `${action} ${String(after?.['id'])}`)).toEqual(
        Array.from({ length: 7_000 }, (_, at) => `insert ${at + 1}`),
      );
      expect(JSON.parse((await stage.redis.get('shop:big:1500')) ?? '')).toEqual({
        id: 1500,
        v: 1,
        note: null,
      });
      expect(await stage.redis.exists('shop:big:100001', 'shop:big:200001')).toBe(0);
      expect(await stage.redis.get('shop:aside:1')).toBe('cached');
      expect(app.errors).toEqual([]);
    },
  );

  it('goes on where it was when the connection breaks while it is looked at', async () => {
    await reset(stage);
    const app = await stage.app({ tables, reconnect: { minMillis: 10, maxMillis: 100 } });
    const rows = Array.from({ length: 20_000 }, (_, id) => `(${id}, 1, REPEAT('k', 500))`).join();
    const writer = await connect(stage);
    await writer.query('BEGIN');
    await writer.query(TEMPORARY);
    await writer.query(`INSERT INTO big VALUES ${rows}`);
    await writer.query('ROLLBACK');
    await writer.query('BEGIN');
    await writer.query(`INSERT INTO big VALUES ${rows}`);
    const { reconnects } = app.cacheflow.status().counters;
    await writer.query('COMMIT');
    await waitFor(async () => {
      const threads = await stage.sql.query<{ Id: number; Command: string }>('SHOW PROCESSLIST');
      for (const { Id: id, Command: command } of threads) {
        if (command.startsWith('Binlog Dump')) await stage.sql.query(`KILL ${id}`).catch(() => undefined);
      }
      return app.cacheflow.status().counters.reconnects > reconnects;
    });
    await app.cacheflow.caughtUp({ timeoutMillis: 30_000 });
    const ids = new Set(app.events.map(({ after }) => after?.['id']));
    expect(ids.size).toBe(20_000);
    expect(await stage.redis.exists('shop:big:0', 'shop:big:19999')).toBe(2);
  });
});

describeEachSql('a binlog file that ends inside a transaction', { schema: SCHEMA }, (stage) => {
  /** A file that was cut, and one after it; resolves with where the first one begins. */
  async function cutFile(
    before: 'the end' | 'the second row' | 'a half event',
  ): Promise<{ file: string; offset: number }> {
    await reset(stage);
    await stage.sql.query('FLUSH BINARY LOGS');
    const connection = await connect(stage);
    const { file, position } = await binlogPosition(connection);
    await connection.query('INSERT INTO aside VALUES (50, 1)');
    await connection.query('BEGIN');
    await connection.query('UPDATE t SET v = 1 WHERE id = 1');
    await connection.query('UPDATE t SET v = 2 WHERE id = 2');
    await connection.query('COMMIT');
    const events = await readBinlog(stage.sql.connectionOptions(), { file, position });
    const ends = events.map(({ buffer }) => buffer.readUInt32LE(13));
    await connection.query('FLUSH BINARY LOGS');
    await connection.query('INSERT INTO aside VALUES (51, 1)');
    await connection.query('UPDATE t SET v = 3 WHERE id = 3');
    // The last event is the commit; before it come the rows and the table map of the second change.
    const length = {
      'the end': ends.at(-2),
      'the second row': ends.at(-4),
      'a half event': (ends.at(-2) ?? 0) - 10,
    };
    await stage.sql.kill();
    await truncate(join(stage.sql.dataDir, file), length[before]);
    await stage.sql.start();
    return { file, offset: position };
  }

  it.each(['the end', 'the second row'] as const)('before %s gives out none of its rows', async (before) => {
    const startAt = await cutFile(before);
    const app = await stage.app({ tables, startAt });
    expect(app.events.map(told)).toEqual(['insert aside 50=1', 'insert aside 51=1', 'update t 3=3']);
    expect(await stage.redis.keys('shop:t:*')).toEqual(['shop:t:3']);
    expect(app.log.join('\n')).toMatch(/The transaction at binlog\.\d+:\d+ never ended/);
    expect(app.errors).toEqual([]);
  });

  it('in the middle of an event costs all keys, and is told', async () => {
    const startAt = await cutFile('a half event');
    await stage.cache('shop:aside:1', 'shop:t:1');
    const app = await stage.app({ tables, startAt });
    expect(codesOf(app)).toEqual(['CACHEFLOW_POSITION_LOST']);
    expect(app.events.map(told)).toEqual(['insert aside 50=1']);
    expect(await stage.redis.mget('shop:aside:1', 'shop:t:1')).toEqual([null, null]);
  });
});
