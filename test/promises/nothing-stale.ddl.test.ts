import { createConnection } from 'mysql2/promise';
import { beforeEach, expect, it } from 'vitest';
import type { TableOptions } from '../../lib';
import { ColumnsUncertainError } from '../../lib';
import type { Stage } from '../support/each-sql';
import { describeEachSql } from '../support/each-sql';

// Each database has a table `t` that is watched in another way; `t2` beside it keeps its keys.
const RULES: Record<string, { rules: TableOptions[]; keys: string[]; neighbours: string[] }> = {
  exact: {
    rules: [
      { db: 'exact', table: 't' },
      { db: 'exact', table: 't2' },
    ],
    keys: ['exact:t:1', 'exact:t:2'],
    neighbours: ['exact:t2:1'],
  },
  wild: { rules: [{ db: 'wil*', table: '*' }], keys: ['wild:t:1'], neighbours: ['wild:t2:1', 'wild2:t:1'] },
  written: {
    rules: [{ db: 'written', table: 't*', strategy: 'write-through', prefix: 'p:' }],
    keys: ['p:written:t:1'],
    neighbours: ['p:written:t2:1', 'written:t:1'],
  },
  template: {
    rules: [{ db: 'template', table: 't', key: ['one:{id}', 'two:{$db}:{n}'] }],
    keys: ['one:1', 'two:template:7'],
    neighbours: ['two:other:7', 'three:1'],
  },
  made: {
    rules: [{ db: 'made', table: 't', key: (row: { id: number }) => `made-${row.id}`, match: 'made-*' }],
    keys: ['made-1'],
    neighbours: ['mad-1'],
  },
};
const DATABASES = Object.keys(RULES);
const TABLES = Object.values(RULES).flatMap(({ rules }) => rules);

/** What makes `t` other than what is cached; each is run in each database. */
const STATEMENTS: Record<string, { first?: string; both?: string; mariadb?: string; gone?: true }> = {
  TRUNCATE: { both: 'TRUNCATE t' },
  'TRUNCATE of a full name, with comments': { both: '/* a */ TRUNCATE /*!50000 TABLE */ `DB` . `t` -- b' },
  'DROP TABLE': { both: 'DROP TABLE IF EXISTS nothing, t' },
  'RENAME away': { both: 'RENAME TABLE t TO gone.DB' },
  'RENAME of an unwatched table onto it': {
    first: 'DROP TABLE t',
    both: 'RENAME TABLE gone.spare TO DB.t',
  },
  'RENAME there and back': { both: 'RENAME TABLE t TO u, gone.spare TO t' },
  'ALTER of a column': { both: 'ALTER TABLE t MODIFY n BIGINT' },
  'ALTER … RENAME': { both: 'ALTER TABLE t ADD COLUMN x INT, RENAME TO gone.DB' },
  'ALTER … RENAME onto it': {
    first: 'DROP TABLE t',
    both: 'ALTER TABLE gone.spare RENAME DB.t',
  },
  'loss of the primary key': { both: 'ALTER TABLE t DROP PRIMARY KEY, CHANGE id was INT' },
  'EXCHANGE PARTITION': { both: 'ALTER TABLE gone.parts EXCHANGE PARTITION p0 WITH TABLE DB.t' },
  'DROP DATABASE': { both: 'DROP DATABASE DB', gone: true },
  'CREATE OR REPLACE TABLE': { mariadb: 'CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, n INT)' },
  'CREATE OR REPLACE TABLE … SELECT': {
    mariadb: 'CREATE OR REPLACE TABLE t (PRIMARY KEY (id)) SELECT 5 AS id, 1 AS n',
  },
};

const T = '(id INT PRIMARY KEY, n INT)';

/** `t` with rows in it, in a database of its own; a spare table and a partitioned one in another. */
async function prepare(stage: Stage, db: string): Promise<void> {
  await stage.sql.query(
    `DROP DATABASE IF EXISTS gone; CREATE DATABASE gone; CREATE TABLE gone.spare ${T}; INSERT INTO gone.spare VALUES (1, 5);
     CREATE TABLE gone.parts ${T} PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE);
     DROP DATABASE IF EXISTS ${db}; CREATE DATABASE ${db}; CREATE TABLE ${db}.t ${T}; CREATE TABLE ${db}.t2 ${T};
     INSERT INTO ${db}.t VALUES (1, 7), (2, 8)`,
  );
}

describeEachSql('a DDL on a watched table', {}, (stage) => {
  beforeEach(async () => {
    await stage.sql.query(DATABASES.map((db) => `DROP DATABASE IF EXISTS ${db}`).join(';'));
  });

  const cases = Object.entries(STATEMENTS).flatMap(([name, { first, both, mariadb, gone }]) => {
    const statement = both ?? (stage.kind === 'mariadb' ? mariadb : undefined);
    return statement ? [{ name, first, statement, gone }] : [];
  });

  it.each(cases)('removes its keys: $name', async ({ first, statement, gone }) => {
    const app = await stage.app({ tables: TABLES });
    for (const db of DATABASES) {
      const { keys, neighbours = [] } = RULES[db]!;
      await prepare(stage, db);
      if (first) await stage.sql.query(`USE ${db}; ${first}`);
      await app.cacheflow.caughtUp();
      await stage.cache(...keys, ...neighbours, 'other:1');
      await stage.sql.query(`USE ${db}; ${statement.replaceAll('DB', db)}`);
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget(keys), db).toEqual(keys.map(() => null));
      const kept = gone ? ['other:1'] : [...neighbours, 'other:1'];
      expect(await stage.redis.mget(kept), db).toEqual(kept.map(() => 'cached'));
    }
    expect(app.errors.filter(({ code }) => code !== 'CACHEFLOW_TABLE_NOT_KEYABLE')).toEqual([]);
    expect(app.log.join('\n')).toMatch(
      /\b(TRUNCATE|DROP|RENAME|ALTER|CREATE)[A-Z ]* at binlog\.\d+:\d+: all keys of exact\.(t|\*) are removed/,
    );
  });

  it('leaves alone what it does not name', async () => {
    const app = await stage.app({ tables: TABLES });
    await prepare(stage, 'exact');
    await app.cacheflow.caughtUp();
    await stage.cache('exact:t:1', 'wild:t:1');
    await stage.sql.query(
      `USE exact; /* TRUNCATE t */ CREATE TABLE IF NOT EXISTS t ${T}; CREATE INDEX i ON t (n); DROP INDEX i ON t;
       ANALYZE TABLE t; CREATE VIEW v AS SELECT 'DROP TABLE t'; DROP VIEW v; CREATE TEMPORARY TABLE tmp ${T};
       DROP TEMPORARY TABLE tmp; TRUNCATE gone.spare; CREATE DATABASE more; DROP DATABASE more; FLUSH TABLES;
       ALTER DATABASE exact CHARACTER SET utf8mb4`,
    );
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('exact:t:1', 'wild:t:1')).toEqual(['cached', 'cached']);
    expect(app.errors).toEqual([]);
  });

  it('keeps its place among the changes of rows', async () => {
    const app = await stage.app({ tables: TABLES });
    for (const db of DATABASES) await prepare(stage, db);
    await app.cacheflow.caughtUp();
    app.cacheflow.pause();
    await stage.sql.query(
      `USE written; UPDATE t SET n = 70 WHERE id = 1; INSERT INTO t VALUES (3, 30); TRUNCATE t; INSERT INTO t VALUES (2, 80);
       UPDATE t SET n = 81`,
    );
    await stage.sql.query('USE exact; TRUNCATE t; INSERT INTO t VALUES (1, 1)');
    await stage.cache('exact:t:1', 'exact:t:2', 'p:written:t:1', 'p:written:t:2', 'p:written:t:3');
    app.cacheflow.resume();
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('exact:t:1', 'exact:t:2', 'p:written:t:1', 'p:written:t:3')).toEqual([
      null,
      null,
      null,
      null,
    ]);
    const value = await stage.redis.get('p:written:t:2');
    expect([null, '{"id":2,"n":81}']).toContain(value);
    // In batches of their own, what comes after a flush stays.
    await stage.sql.query('TRUNCATE written.t');
    await app.cacheflow.caughtUp();
    await stage.sql.query('INSERT INTO written.t VALUES (4, 4)');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('p:written:t:4')).toBe('{"id":4,"n":4}');
    expect(app.errors).toEqual([]);
  });

  it('is found where the restart of the server empties a MEMORY table', async () => {
    await prepare(stage, 'exact');
    await stage.sql.query('ALTER TABLE exact.t ENGINE = MEMORY; INSERT INTO exact.t VALUES (3, 3)');
    const app = await stage.app({ tables: TABLES });
    await stage.cache('exact:t:1', 'exact:t2:1');
    await stage.sql.kill();
    await stage.sql.start();
    expect(await stage.sql.query('SELECT * FROM exact.t')).toEqual([]);
    await app.cacheflow.caughtUp({ timeoutMillis: 30_000 });
    expect(await stage.redis.mget('exact:t:1', 'exact:t2:1')).toEqual([null, 'cached']);
  });

  it('of many tables at once is one flush for their database', async () => {
    const app = await stage.app({ tables: TABLES });
    await stage.sql.query('DROP DATABASE IF EXISTS wild3; CREATE DATABASE wild3');
    const names = Array.from({ length: 20 }, (_, at) => `wild3.t${at}`);
    await stage.sql.query(names.map((name) => `CREATE TABLE ${name} ${T}`).join(';'));
    await app.cacheflow.caughtUp();
    const keys = names.map((_, at) => `wild3:t${at}:1`);
    await stage.cache(...keys, 'wild:t:1');
    await stage.sql.query(`DROP TABLE ${names.join()}`);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget(keys)).toEqual(keys.map(() => null));
    expect(await stage.redis.get('wild:t:1')).toBe('cached');
    expect(app.log.filter((line) => /DROP TABLE at/.test(line)).length).toBe(1);
  });
});

const FULL = ['--binlog-row-metadata=FULL'];
const MINIMAL = ['--binlog-row-metadata=MINIMAL'];
const PEOPLE = 'CREATE TABLE a.people (id INT PRIMARY KEY, first VARCHAR(20), last VARCHAR(20))';

describeEachSql('a tail that runs over an ALTER', { sql: () => ({ args: FULL }) }, (stage) => {
  it('decodes the rows on both sides of it with their own columns', async () => {
    await stage.sql.query(`CREATE DATABASE a; ${PEOPLE}`);
    const app = await stage.app({ tables: [{ db: 'a', table: '*' }] });
    app.cacheflow.pause();
    await stage.sql.query(
      `USE a; INSERT INTO people VALUES (1, 'f1', 'l1'); ALTER TABLE people ADD COLUMN zero INT FIRST;
       INSERT INTO people VALUES (0, 2, 'f2', 'l2'); ALTER TABLE people DROP COLUMN zero;
       INSERT INTO people VALUES (3, 'f3', 'l3'); ALTER TABLE people RENAME COLUMN first TO given;
       INSERT INTO people VALUES (4, 'f4', 'l4'); ALTER TABLE people CHANGE given last VARCHAR(20), CHANGE last given VARCHAR(20);
       INSERT INTO people VALUES (5, 'f5', 'l5'); ALTER TABLE people DROP PRIMARY KEY, CHANGE id number INT, ADD PRIMARY KEY (last);
       INSERT INTO people VALUES (6, 'key', 'l'); ALTER TABLE people DROP PRIMARY KEY, ADD id INT NOT NULL DEFAULT 9;`,
    );
    await stage.cache(...[1, 2, 3, 4, 5, 9, 'key'].map((id) => `a:people:${id}`));
    app.cacheflow.resume();
    await app.cacheflow.caughtUp();
    expect(app.events.map(({ after }) => after)).toEqual([
      { id: 1, first: 'f1', last: 'l1' },
      { zero: 0, id: 2, first: 'f2', last: 'l2' },
      { id: 3, first: 'f3', last: 'l3' },
      { id: 4, given: 'f4', last: 'l4' },
      { id: 5, last: 'f5', given: 'l5' },
      { number: 6, last: 'key', given: 'l' },
    ]);
    expect(await stage.redis.keys('a:people:*')).toEqual([]);
    expect(app.errors).toEqual([]);
  });
});

describeEachSql('with binlog_row_metadata=MINIMAL a tail', { sql: () => ({ args: MINIMAL }) }, (stage) => {
  it('says so and removes the keys when the source was past an ALTER that it had yet to reach', async () => {
    await stage.sql.query(`CREATE DATABASE a; ${PEOPLE}; CREATE TABLE a.b ${T}; CREATE TABLE a.c ${T}`);
    const app = await stage.app({
      tables: [
        { db: 'a', table: '*', strategy: 'write-through' },
        { db: 'a', table: 'people', strategy: 'write-through', key: 'p:{last}' },
      ],
    });
    await stage.sql.query("INSERT INTO a.people VALUES (1, 'f', 'l'); INSERT INTO a.b VALUES (1, 1)");
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('p:l')).toBe('{"id":1,"first":"f","last":"l"}');
    expect(app.errors).toEqual([]);

    // Names that are looked up in time are right, also when the table map stays the same.
    await stage.sql.query('ALTER TABLE a.people RENAME COLUMN first TO given');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('p:l')).toBeNull();
    await stage.sql.query("INSERT INTO a.people VALUES (2, 'f', 'm')");
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('p:m')).toBe('{"id":2,"given":"f","last":"m"}');
    expect(app.errors).toEqual([]);
    await app.close();

    // The tail comes back when the source is past the ALTER.
    const swap = 'CHANGE given last VARCHAR(20), CHANGE last given VARCHAR(20)';
    await stage.sql.query(
      `INSERT INTO a.people VALUES (3, 'f', 'n'); INSERT INTO a.b VALUES (2, 2); INSERT INTO a.c VALUES (1, 1);
       ALTER TABLE a.people ${swap}; TRUNCATE a.c; INSERT INTO a.people VALUES (4, 'g', 'o')`,
    );
    const late = await stage.app({
      tables: [
        { db: 'a', table: '*', strategy: 'write-through' },
        { db: 'a', table: 'people', strategy: 'write-through', key: 'p:{last}' },
      ],
    });
    const uncertain = late.errors.filter((error) => error instanceof ColumnsUncertainError);
    expect(uncertain.map(({ table }) => table)).toEqual(['a.people']);
    expect(late.errors.length).toBe(1);
    const left = await stage.redis.mget('p:f', 'p:l', 'p:m', 'p:n', 'p:o', 'p:g');
    expect(left.slice(0, 5)).toEqual([null, null, null, null, null]);
    expect([null, '{"id":4,"last":"g","given":"o"}']).toContain(left[5]);
    // What did not change is certain.
    expect(await stage.redis.get('a:b:2')).toBe('{"id":2,"n":2}');
  });
});

describeEachSql(
  'a statement in another character set',
  { schema: `CREATE DATABASE a; CREATE TABLE a.\`größe\` ${T}` },
  (stage) => {
    it('costs all keys where its names cannot be told', async () => {
      const app = await stage.app({ tables: [{ db: 'a', table: 'gr*' }] });
      await stage.cache('a:größe:1');
      const session = await createConnection({ ...stage.sql.connectionOptions(), charset: 'latin1' });
      await session.query('TRUNCATE a.`größe`');
      await session.end();
      await app.cacheflow.caughtUp();
      expect(await stage.redis.get('a:größe:1')).toBeNull();
    });
  },
);
