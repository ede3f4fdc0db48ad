import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { TableOptions } from '../../../lib';
import { codesOf } from '../../support/app';
import type { Stage } from '../../support/each-sql';
import { describeEachSql } from '../../support/each-sql';

// What a server adds to the columns of a table is no part of its rows, and moves none of the others.

const GIPK = 'show_gipk_in_create_table_and_information_schema';
const schema = 'CREATE DATABASE shop';
const METADATA = { mysql: ['MINIMAL', 'FULL'], mariadb: ['NO_LOG', 'MINIMAL', 'FULL'] };

async function setMetadata(stage: Stage, metadata: string): Promise<void> {
  await stage.sql.query(`SET GLOBAL binlog_row_metadata = ${metadata}`);
}

/** Makes the table anew. */
async function create(stage: Stage, table: string, definition: string): Promise<void> {
  await stage.sql.query(`DROP TABLE IF EXISTS shop.${table}; CREATE TABLE shop.${table} ${definition}`);
}

/** Deaf to one of our settings: what asks for ON arrives as a wish for OFF. */
async function startDeafProxy(stage: Stage): Promise<number> {
  const sockets: Socket[] = [];
  const server: Server = createServer((client) => {
    const upstream = connect(stage.sql.port, '127.0.0.1');
    sockets.push(client, upstream);
    client.on('data', (data: Buffer) => {
      const at = data.indexOf(`${GIPK} = ON`);
      if (at >= 0) data.write(`${GIPK} =OFF`, at);
      upstream.write(data);
    });
    upstream.pipe(client);
    client.on('close', () => upstream.destroy());
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

describeEachSql(
  'a column that the server made up',
  {
    schema,
    sql: (kind) => ({
      args:
        kind === 'mysql'
          ? ['--sql-generate-invisible-primary-key=ON', `--${GIPK.replaceAll('_', '-')}=OFF`]
          : [],
    }),
  },
  (stage) => {
    if (stage.kind === 'mysql') describe('as an invisible primary key', () => invisibleKeys(stage));
    else describe('for a UNIQUE that is kept as a hash', () => hashes(stage));

    const former = ['InnoDB', 'MEMORY'].flatMap((engine) =>
      ['MINIMAL', 'FULL'].map((metadata) => ({ engine, metadata })),
    );
    it.each(former)(
      'is not what a last column was that is gone by now, $engine, metadata $metadata',
      async ({ engine, metadata }) => {
        await setMetadata(stage, metadata);
        const columns = 'a INT PRIMARY KEY, b INT, row_start BIGINT UNSIGNED, UNIQUE (b)';
        await create(stage, 'was', `(${columns}) ENGINE=${engine}`);
        const app = await stage.app({ tables: [{ db: 'shop', table: 'was' }] });
        app.cacheflow.pause();
        await stage.sql.query('INSERT INTO shop.was VALUES (1, 2, 3)');
        await stage.sql.query('ALTER TABLE shop.was DROP COLUMN row_start');
        await stage.cache('shop:was:1', 'shop:was:2');
        app.cacheflow.resume();
        await app.cacheflow.caughtUp();
        expect(await stage.redis.get('shop:was:1')).toBeNull();
        if (metadata === 'FULL') {
          expect(app.events.map(({ after }) => after)).toEqual([{ a: 1, b: 2, row_start: 3 }]);
          return;
        }
        // Its rows cannot be told any more: loud, and all keys of the table go.
        expect(app.events).toEqual([]);
        expect(codesOf(app)).toContain('CACHEFLOW_ROW_UNDECODABLE');
        expect(await stage.redis.get('shop:was:2')).toBeNull();
      },
    );
  },
);

function invisibleKeys(stage: Stage): void {
  const BIGINTS = '(a BIGINT, b BIGINT, c BIGINT)';
  const cases = METADATA.mysql.flatMap((metadata) =>
    (
      [
        [['a'], '100', '101'],
        [['b'], '200', '201'],
        [['c'], '300', '301'],
        [['a', 'c'], '100:300', '101:301'],
        [['c', 'b', 'a'], '300:200:100', '301:201:101'],
      ] as const
    ).map(([keyFields, first, second]) => ({ metadata, keyFields: [...keyFields], first, second })),
  );

  it.each(cases)(
    'leaves the others where they are, metadata $metadata, keys of $keyFields',
    async ({ metadata, keyFields, first, second }) => {
      await setMetadata(stage, metadata);
      await create(stage, 't', BIGINTS);
      const table: TableOptions = { db: 'shop', table: 't', keyFields };
      const aside = await stage.app({ name: 'aside', tables: [table] });
      const through = await stage.app({
        name: 'through',
        tables: [{ ...table, strategy: 'write-through', prefix: 'w:' }],
      });
      // What a shift by one would make of them.
      const others = ['shop:t:1', 'shop:t:1:200', 'shop:t:2', 'w:shop:t:1'];
      const mine = [`shop:t:${first}`, `shop:t:${second}`];
      await stage.cache(...mine, ...others);
      await stage.sql.query('INSERT INTO shop.t VALUES (100, 200, 300), (101, 201, 301)');
      await stage.sql.query('UPDATE shop.t SET b = b WHERE a = 100');
      await stage.sql.query('DELETE FROM shop.t WHERE a = 101');
      await Promise.all([aside.cacheflow.caughtUp(), through.cacheflow.caughtUp()]);
      expect(await stage.redis.mget(...mine)).toEqual([null, null]);
      expect(await stage.redis.mget(...others)).toEqual(others.map(() => 'cached'));
      expect(await stage.redis.mget(...mine.map((key) => `w:${key}`))).toEqual([
        JSON.stringify({ a: 100, b: 200, c: 300 }),
        null,
      ]);
      const rows = [
        { a: 100, b: 200, c: 300 },
        { a: 101, b: 201, c: 301 },
      ];
      expect(through.events.map(({ action, before, after }) => [action, before ?? after])).toEqual([
        ['insert', rows[0]],
        ['insert', rows[1]],
        ['delete', rows[1]],
      ]);
      expect([...aside.errors, ...through.errors]).toEqual([]);
    },
  );

  it.each(METADATA.mysql)('is a part of the rows once it is visible, metadata %s', async (metadata) => {
    await setMetadata(stage, metadata);
    await create(stage, 't', BIGINTS);
    await stage.sql.query('ALTER TABLE shop.t ALTER COLUMN my_row_id SET VISIBLE');
    const app = await stage.app({ tables: [{ db: 'shop', table: 't', strategy: 'write-through' }] });
    await stage.sql.query('INSERT INTO shop.t (a, b, c) VALUES (100, 200, 300)');
    await app.cacheflow.caughtUp();
    const [row] = await stage.sql.query('SELECT * FROM shop.t');
    expect(row).toEqual({ my_row_id: 1, a: 100, b: 200, c: 300 });
    expect(app.events.map(({ after }) => after)).toEqual([row]);
    expect(await stage.redis.get('shop:t:1')).toBe(JSON.stringify(row));
    expect(app.errors).toEqual([]);
  });

  it.each(METADATA.mysql)('is no key of its own, metadata %s', async (metadata) => {
    await setMetadata(stage, metadata);
    await create(stage, 't', BIGINTS);
    await expect(stage.boot({ tables: [{ db: 'shop', table: 't' }] })).rejects.toThrow(
      'it has neither a column `id` nor a primary key',
    );
  });

  // By its sign and its NULL the last one could be a hash of MariaDB.
  const UNSIGNED = BIGINTS.replaceAll('BIGINT', 'BIGINT UNSIGNED');
  it.each([BIGINTS, UNSIGNED])(
    'that our session may not see is told, and all keys go: %s',
    async (columns) => {
      await setMetadata(stage, 'MINIMAL');
      await create(stage, 't', columns);
      const port = await startDeafProxy(stage);
      const app = await stage.app({
        mysql: { ...stage.sql.connectionOptions(), port },
        tables: [{ db: 'shop', table: 't', keyFields: ['a'], strategy: 'write-through' }],
      });
      await stage.cache('shop:t:100', 'shop:t:7');
      await stage.sql.query('INSERT INTO shop.t VALUES (100, 200, 300)');
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget('shop:t:100', 'shop:t:7', 'shop:t:1')).toEqual([null, null, null]);
      expect(app.events).toEqual([]);
      expect(codesOf(app)).toEqual(['CACHEFLOW_ROW_UNDECODABLE']);
      expect(app.errors[0]?.message).toContain('shop.t');
    },
  );
}

function hashes(stage: Stage): void {
  const tables: [title: string, definition: string, values: string, row: object][] = [
    ['a TEXT', '(id INT PRIMARY KEY, t TEXT, UNIQUE (t))', "1, 'a'", { id: 1, t: 'a' }],
    [
      'two of them, and a part of one',
      '(id INT PRIMARY KEY, t TEXT, b BLOB, UNIQUE (t), UNIQUE (b, t), UNIQUE (t(10)))',
      "1, 'a', 'b'",
      { id: 1, t: 'a', b: Buffer.from('b') },
    ],
    ['a long VARCHAR', '(id INT PRIMARY KEY, t VARCHAR(3000), UNIQUE (t))', "1, 'a'", { id: 1, t: 'a' }],
    [
      'a long prefix',
      '(id INT PRIMARY KEY, t TEXT, n INT, UNIQUE (t(1000)))',
      "1, 'a', 2",
      { id: 1, t: 'a', n: 2 },
    ],
    ['USING HASH', '(id INT PRIMARY KEY, n INT, UNIQUE USING HASH (n))', '1, 2', { id: 1, n: 2 }],
    ['MyISAM', '(id INT PRIMARY KEY, t TEXT, UNIQUE (t)) ENGINE=MyISAM', "1, 'a'", { id: 1, t: 'a' }],
    // Whose hashes need no column.
    ['MEMORY', '(id INT PRIMARY KEY, n INT, UNIQUE (n)) ENGINE=MEMORY', '1, 2', { id: 1, n: 2 }],
    [
      'a BIGINT UNSIGNED at the end',
      '(id INT PRIMARY KEY, t TEXT, n BIGINT UNSIGNED, UNIQUE (t))',
      "1, 'a', 2",
      { id: 1, t: 'a', n: 2 },
    ],
    [
      'system versioning',
      '(id INT PRIMARY KEY, t TEXT, n BIGINT UNSIGNED, UNIQUE (t)) WITH SYSTEM VERSIONING',
      "1, 'a', 2",
      { id: 1, t: 'a', n: 2 },
    ],
    [
      'the name of such a column',
      '(id INT PRIMARY KEY, t TEXT, DB_ROW_HASH_1 BIGINT UNSIGNED, row_start TIMESTAMP(6) NULL, row_end TIMESTAMP(6) NULL, UNIQUE (t))',
      "1, 'a', 2, NULL, NULL",
      { id: 1, t: 'a', DB_ROW_HASH_1: 2, row_start: null, row_end: null },
    ],
  ];

  describe.each(METADATA.mariadb)('metadata %s', (metadata) => {
    it.each(tables)('is no part of a row: %s', async (_title, definition, values, row) => {
      await setMetadata(stage, metadata);
      await create(stage, 'h', definition);
      const app = await stage.app({ tables: [{ db: 'shop', table: 'h' }] });
      await stage.cache('shop:h:1');
      await stage.sql.query(`INSERT INTO shop.h VALUES (${values})`);
      await app.cacheflow.caughtUp();
      expect(await stage.redis.get('shop:h:1')).toBeNull();
      expect(app.events.map(({ after }) => after)).toEqual([row]);
      expect(app.errors).toEqual([]);
    });
  });
}
