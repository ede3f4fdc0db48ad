import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { createConnection } from 'mysql2/promise';
import { expect, it } from 'vitest';
import type { CacheflowError, TableOptions, TableStrategy } from '../../lib';
import {
  ChangeError,
  EventUnsupportedError,
  KeyFailedError,
  RowIncompleteError,
  RowUndecodableError,
  StrategyFailedError,
  TableNotKeyableError,
} from '../../lib';
import type { TestApp } from '../support/app';
import type { Stage } from '../support/each-sql';
import { describeEachSql } from '../support/each-sql';

// Failure is loud, and nothing stale survives it: what cannot be applied row by row is removed as a whole.

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50));
  CREATE TABLE shop.mails (id INT PRIMARY KEY, email VARCHAR(100), note TEXT);
  CREATE TABLE shop.docs (id INT PRIMARY KEY, body JSON);`;

const USERS: TableOptions = { db: 'shop', table: 'users' };
const MAILS: TableOptions = { db: 'shop', table: 'mails' };

/** Runs statements in a session of its own. */
async function session(stage: Stage, ...statements: string[]): Promise<void> {
  const connection = await createConnection(stage.sql.connectionOptions());
  try {
    for (const statement of statements) await connection.query(statement);
  } finally {
    await connection.end();
  }
}

/** The errors of a kind, each with where it happened. */
function placed<T extends ChangeError>(app: TestApp, kind: abstract new (...given: never[]) => T): T[] {
  const errors = app.errors.filter((error: CacheflowError): error is T => error instanceof kind);
  for (const error of errors) {
    expect(error.position.file).toMatch(/^binlog\.\d{6}$/);
    expect(error.position.offset).toBeGreaterThan(0);
    expect(error.message).toContain(`position ${error.position.file}:${error.position.offset}`);
    expect(app.log.join('\n')).toContain(error.code);
  }
  return errors;
}

/** That the stream went on: a later change of another table is applied. */
async function goesOn(stage: Stage, app: TestApp): Promise<void> {
  await stage.cache('shop:users:999');
  await stage.sql.query('REPLACE INTO shop.users VALUES (999, UUID())');
  await app.cacheflow.caughtUp();
  expect(await stage.redis.get('shop:users:999')).not.toBe('cached');
  expect(app.cacheflow.status().state).toBe('streaming');
}

describeEachSql('a fault in the stream', { schema: SCHEMA }, (stage) => {
  it('of a key function costs its table all keys, is reported with its place, and stops nothing', async () => {
    const throwing: TableOptions = {
      db: 'shop',
      table: 'mails',
      match: ['mail:*', 'note:*'],
      key: (row: { id: number; email: string }) => {
        if (row.id === 13) throw new RangeError(`no key for ${row.email}`);
        if (row.id === 14) return [`mail:${row.email}`, row.id] as unknown as string[];
        return `mail:${row.email}`;
      },
    };
    for (const id of [13, 14]) {
      await stage.sql.query('DELETE FROM shop.mails');
      const app = await stage.app({ tables: [USERS, throwing] });
      await stage.cache('mail:a', 'mail:b', 'note:7', 'shop:users:1', 'other:1');
      await stage.sql.query('INSERT INTO shop.mails (id, email) VALUES (?, ?)', [id, 'x']);
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget('mail:a', 'mail:b', 'note:7', 'shop:users:1', 'other:1')).toEqual([
        null,
        null,
        null,
        'cached',
        'cached',
      ]);
      const [error] = placed(app, KeyFailedError);
      expect(error).toMatchObject({ code: 'CACHEFLOW_KEY_FAILED', table: 'shop.mails' });
      expect(error?.message).toContain(id === 13 ? 'RangeError' : 'TypeError');
      await stage.cache('mail:later');
      await stage.sql.query("INSERT INTO shop.mails (id, email) VALUES (1, 'later')");
      await goesOn(stage, app);
      expect(await stage.redis.get('mail:later')).toBeNull();
      await app.close();
      await stage.redis.flushall();
    }
  });

  it('of a custom strategy costs the row its keys after the attempts, and stops nothing', async () => {
    let calls = 0;
    @Injectable()
    class Broken implements TableStrategy {
      onInsert(): void {
        calls++;
        throw new Error('broken');
      }
      onUpdate(): Promise<void> {
        return Promise.reject(new Error('broken'));
      }
      onDelete(): void {}
    }
    await stage.sql.query('DELETE FROM shop.mails');
    const app = await stage.app({ tables: [USERS, { ...MAILS, strategy: Broken }] });
    await stage.cache('shop:mails:1', 'shop:mails:2');
    await stage.sql.query("INSERT INTO shop.mails (id, email) VALUES (1, 'a')");
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:mails:1', 'shop:mails:2')).toEqual([null, 'cached']);
    expect(calls).toBe(3);
    await stage.cache('shop:mails:1');
    await stage.sql.query("UPDATE shop.mails SET email = 'b'");
    await goesOn(stage, app);
    expect(await stage.redis.get('shop:mails:1')).toBeNull();
    const errors = placed(app, StrategyFailedError);
    expect(errors.map(({ table }) => table)).toEqual(['shop.mails', 'shop.mails']);
  });

  it('of rows that can no longer be decoded costs their table all keys, and stops nothing', async () => {
    const [row] = await stage.sql.query<{ value: string }>('SELECT @@GLOBAL.binlog_row_metadata AS value');
    await stage.sql.query('CREATE TABLE shop.drifting (id INT PRIMARY KEY, name VARCHAR(9))');
    // MariaDB has the size of its metadata only globally; new sessions take the value over.
    await stage.sql.query("SET GLOBAL binlog_row_metadata = 'MINIMAL'");
    try {
      const app = await stage.app({ tables: [USERS, { db: 'shop', table: 'drifting' }] });
      app.cacheflow.pause();
      await session(stage, "INSERT INTO shop.drifting VALUES (1, 'a')");
      await session(stage, 'ALTER TABLE shop.drifting ADD COLUMN age INT FIRST');
      await stage.cache('shop:drifting:1', 'shop:drifting:2', 'shop:users:1');
      await session(stage, "REPLACE INTO shop.users VALUES (2, 'b')");
      app.cacheflow.resume();
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget('shop:drifting:1', 'shop:drifting:2', 'shop:users:1')).toEqual([
        null,
        null,
        'cached',
      ]);
      const [error] = placed(app, RowUndecodableError);
      expect(error).toMatchObject({ table: 'shop.drifting', cause: { name: 'SchemaDriftError' } });
      await stage.cache('shop:drifting:5');
      await session(stage, "INSERT INTO shop.drifting VALUES (3, 5, 'c')");
      await goesOn(stage, app);
      expect(await stage.redis.get('shop:drifting:5')).toBeNull();
    } finally {
      await stage.sql.query('SET GLOBAL binlog_row_metadata = ?; DROP TABLE shop.drifting', [row?.value]);
    }
  });

  it('of a table that appears without a usable key is reported, and stops nothing', async () => {
    const app = await stage.app({ tables: [{ db: 'shop', table: '*' }] });
    await stage.sql.query(
      'CREATE TABLE shop.keyless (line VARCHAR(9)); INSERT INTO shop.keyless VALUES (1), (2)',
    );
    await goesOn(stage, app);
    const [error, ...more] = placed(app, TableNotKeyableError);
    expect(error?.table).toBe('shop.keyless');
    expect(error?.message).toContain('it has neither a column `id` nor a primary key');
    expect(more).toEqual([]);
    await stage.sql.query('DROP TABLE shop.keyless');
  });
});

describeEachSql('a session with a lower binlog_row_image', { schema: SCHEMA }, (stage) => {
  it.each(['MINIMAL', 'NOBLOB'])('%s costs nothing where the key is the primary key', async (image) => {
    await stage.sql.query("REPLACE INTO shop.mails VALUES (1, 'a', 'n')");
    const app = await stage.app({ tables: [MAILS] });
    for (const change of [
      "UPDATE shop.mails SET email = 'b'",
      'UPDATE shop.mails SET id = 2',
      'DELETE FROM shop.mails',
    ]) {
      await stage.cache('shop:mails:1', 'shop:mails:2', 'shop:mails:3');
      await session(stage, `SET SESSION binlog_row_image = ${image}`, change);
      await app.cacheflow.caughtUp();
      const left = await stage.redis.mget('shop:mails:1', 'shop:mails:2', 'shop:mails:3');
      expect(left).toEqual(
        change.includes('id = 2')
          ? [null, null, 'cached']
          : change.startsWith('U')
            ? [null, 'cached', 'cached']
            : ['cached', null, 'cached'],
      );
    }
    expect(app.errors).toEqual([]);
  });

  it('costs the table all keys where the key is made of what may be left out', async () => {
    await stage.sql.query("REPLACE INTO shop.mails VALUES (1, 'old', 'n'), (2, 'other', 'n')");
    const app = await stage.app({ tables: [USERS, { ...MAILS, key: 'mail:{email}' }] });
    await stage.cache('mail:old', 'mail:new', 'mail:other');
    await session(
      stage,
      'SET SESSION binlog_row_image = MINIMAL',
      "UPDATE shop.mails SET email = 'new' WHERE id = 1",
    );
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('mail:old', 'mail:new', 'mail:other')).toEqual([null, null, null]);
    const [error] = placed(app, RowIncompleteError);
    expect(error).toMatchObject({ code: 'CACHEFLOW_ROW_INCOMPLETE', table: 'shop.mails' });
    await goesOn(stage, app);
  });

  it('has write-through remove what it cannot write whole, with one warning for each table', async () => {
    await stage.sql.query(
      "REPLACE INTO shop.mails VALUES (1, 'a', 'n'), (2, 'a', 'n'); REPLACE INTO shop.users VALUES (1, 'a')",
    );
    const app = await stage.app({
      tables: [
        { ...USERS, strategy: 'write-through' },
        { ...MAILS, strategy: 'write-through' },
      ],
    });
    await stage.cache('shop:mails:1', 'shop:mails:2', 'shop:users:1');
    await session(
      stage,
      'SET SESSION binlog_row_image = MINIMAL',
      "UPDATE shop.mails SET email = 'b' WHERE id = 1",
      "UPDATE shop.mails SET email = 'b' WHERE id = 2",
      'SET SESSION binlog_row_image = NOBLOB',
      "UPDATE shop.mails SET email = 'c' WHERE id = 1",
      "UPDATE shop.users SET name = 'b' WHERE id = 1",
    );
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:mails:1', 'shop:mails:2')).toEqual([null, null]);
    // NOBLOB leaves nothing out of a table without BLOBs.
    expect(JSON.parse((await stage.redis.get('shop:users:1')) ?? '')).toEqual({ id: 1, name: 'b' });
    expect(placed(app, RowIncompleteError).map(({ table }) => table)).toEqual(['shop.mails']);
    await stage.sql.query("UPDATE shop.mails SET email = 'd' WHERE id = 1");
    await app.cacheflow.caughtUp();
    expect(JSON.parse((await stage.redis.get('shop:mails:1')) ?? '')).toEqual({
      id: 1,
      email: 'd',
      note: 'n',
    });
  });
});

const READS_FILES = { args: ['--secure-file-priv=', '--log-bin-trust-function-creators=ON'] };

describeEachSql(
  'changes that do not come row by row',
  { schema: SCHEMA, sql: () => READS_FILES },
  (stage) => {
    /** That these statements remove all keys of all watched tables, with a report, and that the stream goes on. */
    async function expectFlush(app: TestApp, statements: string[], problem: RegExp): Promise<void> {
      const known = app.errors.length;
      await stage.cache('shop:users:1', 'shop:mails:5', 'shop:docs:1', 'unwatched:1');
      await session(stage, ...statements);
      await app.cacheflow.caughtUp();
      const left = await stage.redis.mget('shop:users:1', 'shop:mails:5', 'shop:docs:1', 'unwatched:1');
      expect(left, statements.join('; ')).toEqual([null, null, null, 'cached']);
      expect(app.errors.slice(known).map(({ message }) => message)).toContainEqual(
        expect.stringMatching(problem),
      );
      placed(app, EventUnsupportedError);
      await goesOn(stage, app);
    }
    const tables = [USERS, MAILS, { db: 'shop', table: 'docs' }];

    it('are found when a session writes with binlog_format = STATEMENT', async () => {
      await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'a'), (2, 'b')");
      await stage.sql.query(
        'CREATE FUNCTION shop.touch() RETURNS INT MODIFIES SQL DATA ' +
          "BEGIN UPDATE shop.users SET name = 'f' WHERE id = 1; RETURN 1; END",
      );
      const file = join(stage.sql.dataDir, 'users.txt');
      writeFileSync(file, '7\tseven\n');
      const app = await stage.app({ tables });
      const statement = 'SET SESSION binlog_format = STATEMENT';
      const problem = /A statement was logged instead of its rows: set binlog_format = ROW in every session/;
      for (const change of [
        "UPDATE shop.users SET name = 'x' WHERE id = 1",
        "/* app ** */ /**/ UPDATE shop.users SET name = 'y' WHERE id = 1",
        "-- by hand\n UPDATE shop.users SET name = 'z' WHERE id = 1",
        "# by hand\n UPDATE shop.users SET name = 'zz' WHERE id = 1",
        '/*!50000 DELETE */ FROM shop.users WHERE id = 2',
        "INSERT INTO shop.users VALUES (2, 'b')",
        "REPLACE INTO shop.users VALUES (2, 'c')",
        'SELECT shop.touch()',
        `LOAD DATA INFILE '${file}' REPLACE INTO TABLE shop.users`,
      ]) {
        await expectFlush(app, [statement, change], problem);
      }
    });

    if (stage.kind === 'mysql') {
      it('are found when a session compresses its transactions', async () => {
        const app = await stage.app({ tables });
        const compressed = [
          'SET SESSION binlog_transaction_compression = ON',
          'REPLACE INTO shop.users VALUES (1, UUID())',
        ];
        await expectFlush(
          app,
          compressed,
          /A compressed transaction cannot be read: SET GLOBAL binlog_transaction/,
        );
      });

      it('are found when a session writes partial JSON', async () => {
        await stage.sql.query(`REPLACE INTO shop.docs VALUES (1, '{"a": "${'x'.repeat(100)}", "b": 1}')`);
        const app = await stage.app({ tables });
        const partial = [
          "SET SESSION binlog_row_value_options = 'PARTIAL_JSON'",
          "UPDATE shop.docs SET body = JSON_SET(body, '$.b', 2) WHERE id = 1",
        ];
        await expectFlush(
          app,
          partial,
          /A partial JSON update cannot be read: SET GLOBAL binlog_row_value_options/,
        );
      });
    }
  },
);
