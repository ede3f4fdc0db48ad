import { createConnection } from 'mysql2/promise';
import { expect, it, onTestFinished } from 'vitest';
import { describeEachSql } from '../../support/each-sql';

// What stands in a comment may be a part of the statement. The server itself says which table it changed.

const T = '(id INT PRIMARY KEY)';

/** Versions and what one might take for a version; servers execute, skip or choke on what follows them. */
const VERSIONS =
  ' 50000 50700 80000 99999 100000 100100 101199 990000 999999 080000 090700 0 500 0500000 9999999'.split(
    ' ',
  );
const MARKS = VERSIONS.flatMap((version) => [`/*!${version}`, `/*M!${version}`]);
/** Those that both servers execute, that only one does, and that none does. */
const FEW_MARKS = ['!', 'M!', '!50000', '!99999', '!100000', 'M!100100', '!080000'].map(
  (mark) => `/*${mark}`,
);

/** In `x`, where both databases have a table `t`. Those with which a server cannot do anything count for nothing. */
const GROUPS: Record<string, readonly string[]> = {
  'with a version before a database': MARKS.flatMap((mark) => [
    `TRUNCATE TABLE ${mark} y. */ t`,
    `TRUNCATE TABLE ${mark}y.*/t`,
    `TRUNCATE TABLE ${mark}\ny . */t`,
  ]),
  'with digits that are no version, or more than one': MARKS.flatMap((mark) => [
    `TRUNCATE TABLE ${mark}1t*/`,
    `TRUNCATE TABLE ${mark}\`t\`*/`,
  ]),
  'in a comment, and with others': FEW_MARKS.flatMap((mark) => [
    `TRUNCATE TABLE ${mark} y. /* no */ */ t`,
    `TRUNCATE TABLE ${mark} /* no */ y. */ t`,
    `TRUNCATE TABLE ${mark} /*!50000 y. */ */ t`,
    `TRUNCATE TABLE ${mark} y. /*!99999 q */ */ t`,
    `TRUNCATE TABLE ${mark} /*M!100000 y. */ */ t`,
    `TRUNCATE TABLE /* ${mark} y. */ t`,
    `TRUNCATE TABLE /*! y. *//*${mark} */ t`,
    `TRUNCATE TABLE ${mark} y. -- */\n */ t`,
    `TRUNCATE TABLE ${mark} y. # */\n */ t`,
    `TRUNCATE TABLE ${mark} y. \`*/\` */ t`,
    `TRUNCATE TABLE ${mark} y.t`,
    `TRUNCATE TABLE ${mark} y.t -- */`,
    `TRUNCATE TABLE /* ${mark.slice(2)} y. */ t`,
    `TRUNCATE TABLE y${mark}.*/t`,
    `TRUNCATE ${mark} TABLE y. */ t`,
    `${mark} TRUNCATE TABLE y.t */`,
    `${mark} TRUNCATE */ TABLE ${mark} y. */ t`,
    `TRUNCATE TABLE x ${mark} .t */`,
    `TRUNCATE TABLE t ${mark} WAIT 5 */`,
  ]),
  'in other statements': FEW_MARKS.flatMap((mark) => [
    `ALTER TABLE ${mark} y. */ t ADD c INT`,
    `ALTER TABLE t ${mark} ADD c INT, */ COMMENT 'x'`,
    `ALTER TABLE t RENAME ${mark} y. */ u`,
    `ALTER TABLE t ADD c INT ${mark} , RENAME y.u */`,
    `RENAME TABLE ${mark} y. */ t TO ${mark} y. */ u`,
    `RENAME TABLE t TO ${mark} y. */ u`,
    `DROP TABLE ${mark} y. */ t`,
    `DROP TABLE ${mark} y.t, */ t`,
    `DROP TABLE ${mark} IF EXISTS */ t`,
    `DROP TABLE IF EXISTS ${mark} y. */ t`,
    `DROP TABLE IF EXISTS ${mark} y.t, */ x.nothing`,
    `DROP TABLE ${mark} y. /* no */ */ t`,
    `DROP TABLE t ${mark} , y.t */`,
    `DROP ${mark} TEMPORARY */ TABLE t`,
    `DROP DATABASE ${mark} y -- */ x\n*/`,
    `CREATE ${mark} OR REPLACE */ TABLE t ${T}`,
    `CREATE OR REPLACE TABLE ${mark} y. */ t ${T}`,
  ]),
  'of other kinds': [
    'TRUNCATE TABLE /*+ y. */ t',
    'TRUNCATE /*+ NO_ICP(t) */ TABLE t',
    'TRUNCATE TABLE -- y.\n t',
    'TRUNCATE TABLE --y.\n t',
    'TRUNCATE TABLE --\ty.\nt',
    'TRUNCATE TABLE --\n y.t',
    'TRUNCATE TABLE --\x01 y.\n t',
    'TRUNCATE TABLE --\x7f y.\n t',
    'TRUNCATE TABLE # y.\n t',
    'TRUNCATE TABLE #y.\n t',
    'TRUNCATE TABLE y.t --',
    'TRUNCATE TABLE t -- y',
    'TRUNCATE TABLE t#y',
    'TRUNCATE TABLE t /*',
    'TRUNCATE TABLE t /*!',
    'TRUNCATE TABLE /***/ t',
    'TRUNCATE TABLE /*/ y. */ t',
    'TRUNCATE TABLE /* /* y. */ t',
    'TRUNCATE TABLE y/* */./* */t',
    'TRUNCATE TABLE y./* */t',
    'TRUNCATE TABLE /*M y. */ t',
    'TRUNCATE TABLE /*m!100000 y. */ t',
    'TRUNCATE TABLE /*!M y. */ t',
    'TRUNCATE TABLE /*!M!100000 y. */ t',
    'TRUNCATE TABLE /*!500001t*/',
    'TRUNCATE TABLE /*!50000 1t*/',
    'TRUNCATE TABLE /*!50000/**/t*/',
    "ALTER TABLE t COMMENT '/*! ', RENAME y.u",
    "ALTER TABLE t COMMENT '/*!', ADD c INT COMMENT '*/'",
    "ALTER TABLE t COMMENT '-- ', RENAME y.u",
    'ALTER TABLE t ADD c INT DEFAULT (1--1), RENAME y.u',
    'ALTER TABLE t ADD c INT DEFAULT (1-- 1), RENAME y.u\n ), RENAME u',
    'ALTER TABLE t ADD `c-- ` INT, RENAME y.u',
    'ALTER TABLE t ADD `/*!` INT, ADD `*/` INT, RENAME y.u',
  ],
};

/** The ways in which a statement comes to be run; each is a list of statements, of which the last one tidies up. */
const WAYS: Record<string, (sql: string) => readonly [first: string, then: string, last: string]> = {
  typed: (sql) => ['DO 1', sql, 'DO 1'],
  prepared: (sql) => [
    `SET @sql = X'${Buffer.from(sql).toString('hex')}'`,
    'PREPARE s FROM @sql; EXECUTE s',
    'DO 1',
  ],
  'in a routine': (sql) => [`CREATE PROCEDURE r.p() ${sql}`, 'CALL r.p()', 'DROP PROCEDURE IF EXISTS r.p'],
};
const CASES = [
  ...Object.entries(GROUPS).map(([group, statements]) => ({ group, way: 'typed', statements })),
  // Servers have the text of these from elsewhere.
  ...['prepared', 'in a routine'].map((way) => ({
    group: 'with a version',
    way,
    statements: MARKS.map((mark) => `TRUNCATE TABLE ${mark} y. */ t`),
  })),
];

const TABLES = ['x:t', 'x:1t', 'y:t'] as const;
const RENAMED = ['x:u', 'y:u'] as const;
const keyOf = (table: string): string => `${table}:1`;
const quoted = (table: string): string => `\`${table.replace(':', '`.`')}\``;

describeEachSql('a statement with comments', { sql: () => ({ fast: true }) }, (stage) => {
  /** Makes both databases anew, with a row in each table. */
  async function prepare(): Promise<void> {
    await stage.sql.query(
      `DROP DATABASE IF EXISTS x; DROP DATABASE IF EXISTS y; CREATE DATABASE x; CREATE DATABASE y;
       CREATE DATABASE IF NOT EXISTS r;
       ${TABLES.map((table) => `CREATE TABLE ${quoted(table)} ${T}`).join(';')}`,
    );
    await fill();
  }

  async function fill(): Promise<void> {
    await stage.sql.query(TABLES.map((table) => `REPLACE INTO ${quoted(table)} VALUES (1)`).join(';'));
  }

  /** What each table has for rows, columns and a comment. */
  async function look(): Promise<Map<string, string>> {
    const tables = await stage.sql.query<{ name: string; comment: string; columns: string }>(
      `SELECT CONCAT(t.TABLE_SCHEMA, ':', t.TABLE_NAME) AS name, MAX(t.TABLE_COMMENT) AS comment, GROUP_CONCAT(c.COLUMN_NAME) AS columns
         FROM INFORMATION_SCHEMA.TABLES t JOIN INFORMATION_SCHEMA.COLUMNS c USING (TABLE_SCHEMA, TABLE_NAME)
        WHERE t.TABLE_SCHEMA IN ('x', 'y') GROUP BY t.TABLE_SCHEMA, t.TABLE_NAME`,
    );
    if (tables.length === 0) return new Map();
    const counts = tables.map(({ name }) => `(SELECT COUNT(*) FROM ${quoted(name)}) AS \`${name}\``);
    const [rows] = await stage.sql.query(`SELECT ${counts.join()}`);
    return new Map(
      tables.map(({ name, comment, columns }) => [name, `${comment}|${columns}|${String(rows?.[name])}`]),
    );
  }

  it.each(CASES)(
    '$group ($way) removes the keys of what the server has changed, and no others',
    async ({ way, statements }) => {
      const app = await stage.app({
        tables: [
          { db: 'x', table: '*' },
          { db: 'y', table: '*' },
        ],
      });
      const session = await createConnection({ ...stage.sql.connectionOptions(), multipleStatements: true });
      onTestFinished(() => session.destroy());
      await prepare();
      const before = await look();
      let changes = 0;
      for (const statement of statements) {
        await app.cacheflow.caughtUp();
        await stage.cache(...[...TABLES, ...RENAMED].map(keyOf));
        await session.query('USE x');
        const [first, then, last] = WAYS[way]!(statement);
        await session
          .query(first)
          .then(() => session.query(then))
          .catch(() => 'which the server refuses');
        await session.query(last);
        const after = await look();
        const changed = [...TABLES, ...RENAMED].filter((table) => before.get(table) !== after.get(table));
        await app.cacheflow.caughtUp();
        const values = await stage.redis.mget([...TABLES, ...RENAMED].map(keyOf));
        const removed = [...TABLES, ...RENAMED].filter((_table, at) => values[at] === null);
        expect(removed, statement).toEqual(expect.arrayContaining(changed));
        // The keys of a table that was not there, and is not, are nobody's.
        const mine = removed.filter((table) => before.has(table) || after.has(table));
        expect(mine, statement).toEqual(changed);
        expect(app.errors, statement).toEqual([]);

        if (changed.length > 0) changes++;
        if (/^[^A-Z]*TRUNCATE/.test(statement)) await fill();
        else if (changed.length > 0) await prepare();
      }
      expect(changes).toBeGreaterThan(5);
    },
    240_000,
  );
});
