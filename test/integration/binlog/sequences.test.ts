import { expect, it } from 'vitest';
import type { TableOptions } from '../../../lib';
import type { TestApp } from '../../support/app';
import { describeOneSql } from '../../support/one-sql';

// A SEQUENCE of MariaDB keeps its state like the row of a table, and logs it like one. It is none.

const SCHEMA = `
  CREATE DATABASE shop; USE shop;
  CREATE TABLE t (id INT PRIMARY KEY, n INT);`;
const T = '(id INT PRIMARY KEY, n INT)';
const TABLES: TableOptions[] = [{ db: 'shop', table: '*', strategy: 'write-through' }];

/** What an app was told of, in order. */
const told = (app: TestApp): unknown[] =>
  app.events.map(
    ({ action, table, before, after }) => `${action} ${table} ${JSON.stringify(after ?? before)}`,
  );

/** What makes, uses and drops sequences, each from a state in which there are `s` and `t`. */
const USES: Record<string, string> = {
  'CREATE SEQUENCE': 'CREATE SEQUENCE s2 START WITH 5 INCREMENT BY 2 MINVALUE 1 MAXVALUE 100 CACHE 3 CYCLE',
  'CREATE OR REPLACE SEQUENCE': 'CREATE OR REPLACE SEQUENCE s; CREATE SEQUENCE IF NOT EXISTS s',
  'CREATE TABLE … SEQUENCE': `CREATE TABLE s3 (
     next_not_cached_value BIGINT(21) NOT NULL, minimum_value BIGINT(21) NOT NULL, maximum_value BIGINT(21) NOT NULL,
     start_value BIGINT(21) NOT NULL, increment BIGINT(21) NOT NULL, cache_size BIGINT(21) UNSIGNED NOT NULL,
     cycle_option TINYINT(1) UNSIGNED NOT NULL, cycle_count BIGINT(21) NOT NULL) SEQUENCE=1; SELECT NEXTVAL(s3)`,
  NEXTVAL: 'SELECT NEXTVAL(s), NEXTVAL(s); DO NEXT VALUE FOR s',
  'NEXTVAL in a transaction': 'BEGIN; SELECT NEXTVAL(s); INSERT INTO t VALUES (10, NEXTVAL(s)); COMMIT',
  'NEXTVAL in a transaction without anything else': 'BEGIN; SELECT NEXTVAL(s); COMMIT',
  'NEXTVAL that is rolled back': 'BEGIN; SELECT NEXTVAL(s); ROLLBACK',
  'NEXTVAL that is rolled back with a row':
    'BEGIN; INSERT INTO t VALUES (11, 1); SELECT NEXTVAL(s); INSERT INTO t VALUES (12, NEXTVAL(s)); ROLLBACK',
  'NEXTVAL after a savepoint':
    'BEGIN; INSERT INTO t VALUES (13, 1); SAVEPOINT p; UPDATE t SET n = NEXTVAL(s); ROLLBACK TO p; COMMIT',
  'NEXTVAL in XA':
    "XA START 'a'; DO NEXTVAL(s); INSERT INTO t VALUES (14, 2); XA END 'a'; XA PREPARE 'a'; XA COMMIT 'a'",
  SETVAL: 'SELECT SETVAL(s, 1000), SETVAL(s, 2000, 0), SETVAL(s, 5)',
  'ALTER SEQUENCE': 'ALTER SEQUENCE s RESTART 7 INCREMENT BY 3 CACHE 0; SELECT NEXTVAL(s)',
  RENAME: 'RENAME TABLE s TO s4; SELECT NEXTVAL(s4); ALTER TABLE s4 RENAME s5; SELECT NEXTVAL(s5)',
  'another engine': 'ALTER TABLE s ENGINE=MyISAM; SELECT NEXTVAL(s)',
  'INSERT into it': 'INSERT INTO s VALUES (1, 1, 900, 1, 1, 10, 0, 0)',
  DROP: 'SELECT NEXTVAL(s); DROP SEQUENCE s; CREATE SEQUENCE s; DO NEXTVAL(s); DROP TABLE s',
  'FLUSH and LOCK': 'LOCK TABLES s WRITE; DO NEXTVAL(s); UNLOCK TABLES; FLUSH TABLES; DO NEXTVAL(s)',
  'a temporary one': 'CREATE TEMPORARY SEQUENCE tmp; DO NEXTVAL(tmp); DROP TEMPORARY SEQUENCE tmp',
};

describeOneSql('mariadb', 'a sequence', { schema: SCHEMA }, (stage) => {
  async function begin(metadata: string): Promise<void> {
    await stage.sql.query(
      `SET GLOBAL binlog_row_metadata = ${metadata}; DROP DATABASE shop; ${SCHEMA} CREATE SEQUENCE s;
       INSERT INTO t VALUES (1, 1)`,
    );
  }

  // Without names in the table map, one that is gone by the time that its rows are read is not told from a table yet.
  const cases = ['FULL', 'MINIMAL', 'NO_LOG'].flatMap((metadata) =>
    Object.keys(USES)
      .filter((use) => metadata === 'FULL' || !/^(RENAME|DROP)$/.test(use))
      .map((use) => ({ metadata, use })),
  );

  it.each(cases)('is nothing to tell of ($use, binlog_row_metadata=$metadata)', async ({ metadata, use }) => {
    await begin(metadata);
    const app = await stage.app({ tables: TABLES });
    await stage.sql.query(`USE shop; ${USES[use]}`);
    await stage.sql.query('USE shop; INSERT INTO t VALUES (2, 2)');
    await app.cacheflow.caughtUp();
    const rows = await stage.sql.query('SELECT id, n FROM shop.t WHERE id > 1 ORDER BY id = 2, id');
    expect(told(app)).toEqual(rows.map((row) => `insert t ${JSON.stringify(row)}`));
    expect((await stage.redis.keys('shop:*')).sort()).toEqual(
      rows.map(({ id }) => `shop:t:${String(id)}`).sort(),
    );
    expect(app.errors).toEqual([]);
    expect(app.cacheflow.status().counters.changes).toBe(rows.length);
  });

  /** The statements are read when all of them were done. */
  async function behind(app: TestApp, sql: string): Promise<void> {
    app.cacheflow.pause();
    await stage.sql.query(`USE shop; ${sql}`);
    app.cacheflow.resume();
    await app.cacheflow.caughtUp();
  }

  const GONE: Record<string, string> = {
    'is dropped': 'DO NEXTVAL(s); DROP SEQUENCE s',
    'was made and dropped': 'CREATE SEQUENCE s2; DO NEXTVAL(s2); DO SETVAL(s2, 9); DROP TABLE s2',
    'has another name': 'DO NEXTVAL(s); RENAME TABLE s TO s2; DO NEXTVAL(s2)',
    'has lost its database':
      'CREATE DATABASE IF NOT EXISTS gone; CREATE SEQUENCE gone.s; DO NEXTVAL(gone.s); DROP DATABASE gone',
  };

  const gone = ['FULL'].flatMap((metadata) => Object.keys(GONE).map((how) => ({ metadata, how })));

  it.each(gone)(
    'is nothing to tell of when it $how by the time that its rows are read ($metadata)',
    async ({ metadata, how }) => {
      await begin(metadata);
      const app = await stage.app({ tables: [...TABLES, { db: 'gone', table: '*' }] });
      await behind(app, `${GONE[how]}; INSERT INTO t VALUES (2, 2)`);
      expect(told(app)).toEqual(['insert t {"id":2,"n":2}']);
      expect(app.errors).toEqual([]);
    },
  );

  it.each(['FULL'])('leaves its name to a table, and takes it (%s)', async (metadata) => {
    await begin(metadata);
    const app = await stage.app({ tables: TABLES });
    for (const sql of [
      'DO NEXTVAL(s); DROP SEQUENCE s',
      `CREATE TABLE s ${T}; INSERT INTO s VALUES (1, 1); UPDATE s SET n = 2`,
      'DROP TABLE s; CREATE SEQUENCE s; DO NEXTVAL(s)',
      `DROP TABLE s; CREATE TABLE s ${T}; INSERT INTO s VALUES (3, 3)`,
    ]) {
      await stage.sql.query(`USE shop; ${sql}`);
      await app.cacheflow.caughtUp();
    }
    expect(told(app)).toEqual([
      'insert s {"id":1,"n":1}',
      'update s {"id":1,"n":2}',
      'insert s {"id":3,"n":3}',
    ]);
    expect(await stage.redis.keys('shop:*')).toEqual(['shop:s:3']);
    expect(app.errors).toEqual([]);
  });

  const COLUMNS = `next_not_cached_value BIGINT NOT NULL, minimum_value BIGINT NOT NULL, maximum_value BIGINT NOT NULL,
    start_value BIGINT NOT NULL, increment BIGINT NOT NULL, cache_size BIGINT UNSIGNED NOT NULL,
    cycle_option TINYINT UNSIGNED NOT NULL, cycle_count BIGINT NOT NULL`;

  it.each(['FULL', 'MINIMAL', 'NO_LOG'])(
    'is not what a table with such columns is (%s)',
    async (metadata) => {
      await begin(metadata);
      await stage.sql.query(
        `CREATE TABLE same (${COLUMNS}, PRIMARY KEY (start_value)); CREATE TABLE less (id INT PRIMARY KEY, ${COLUMNS});
       CREATE TABLE part (next_not_cached_value BIGINT PRIMARY KEY, minimum_value BIGINT, maximum_value BIGINT)`,
      );
      const app = await stage.app({ tables: TABLES });
      await stage.sql.query(
        `USE shop; INSERT INTO same VALUES (1, 2, 3, 4, 5, 6, 7, 8); INSERT INTO less VALUES (9, 1, 2, 3, 4, 5, 6, 7, 8);
       INSERT INTO part VALUES (1, 2, 3)`,
      );
      await app.cacheflow.caughtUp();
      expect(app.events.map(({ table }) => table)).toEqual(['same', 'less', 'part']);
      expect((await stage.redis.keys('shop:*')).sort()).toEqual([
        'shop:less:9',
        'shop:part:1',
        'shop:same:4',
      ]);
      expect(app.errors).toEqual([]);
    },
  );

  it.each(['FULL', 'MINIMAL', 'NO_LOG'])('gives a table its numbers (%s)', async (metadata) => {
    await begin(metadata);
    await stage.sql.query(
      'CREATE TABLE n (id BIGINT PRIMARY KEY DEFAULT NEXTVAL(s), v INT); CREATE SEQUENCE tiny CACHE 1',
    );
    const app = await stage.app({ tables: TABLES });
    await stage.cache('shop:s:1', 'shop:tiny:1');
    for (let n = 0; n < 5; n++) {
      await stage.sql.query(
        `USE shop; INSERT INTO n (v) VALUES (1); BEGIN; INSERT INTO n (v) VALUES (2), (3); DO NEXTVAL(tiny); UPDATE n SET v = v + 10 WHERE v = 2; COMMIT;
         BEGIN; INSERT INTO n (v) VALUES (4); ROLLBACK`,
      );
    }
    await app.cacheflow.caughtUp();
    const rows = await stage.sql.query<{ id: number; v: number }>('SELECT id, v FROM shop.n ORDER BY id');
    expect(rows.length).toBe(15);
    expect(app.events.filter(({ action }) => action === 'insert').map(({ after }) => after?.['id'])).toEqual(
      rows.map(({ id }) => id),
    );
    for (const row of rows) expect(await stage.redis.get(`shop:n:${row.id}`)).toBe(JSON.stringify(row));
    // Whatever a reader keeps at such a key is none of ours.
    expect(await stage.redis.mget('shop:s:1', 'shop:tiny:1')).toEqual(['cached', 'cached']);
    expect(app.errors).toEqual([]);
  });
});
