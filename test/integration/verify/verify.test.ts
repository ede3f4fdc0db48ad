import { Cluster } from 'ioredis';
import { expect, it } from 'vitest';
import type { CacheflowOptions } from '../../../lib';
import type { Stage } from '../../support/each-sql';
import { describeEachSql } from '../../support/each-sql';
import { startRedisCluster } from '../../support/servers';
import type { CliRun } from '../../support/verify-cli';
import { runCli } from '../../support/verify-cli';

const SCHEMA = `
  CREATE DATABASE shop; CREATE DATABASE misc;
  CREATE TABLE shop.items (id INT PRIMARY KEY, state INT, note VARCHAR(50));
  CREATE TABLE shop.profiles (user_id INT PRIMARY KEY, email VARCHAR(100) NULL, KEY (email));
  CREATE TABLE shop.grades (class VARCHAR(20), pupil INT, grade INT, PRIMARY KEY (class, pupil));
  CREATE TABLE shop.tokens (token BINARY(4) PRIMARY KEY, kind ENUM('b','a'), owner INT);
  CREATE TABLE shop.kinds (kind ENUM('z','a','m') PRIMARY KEY, at DATETIME(6));
  CREATE TABLE shop.heap (name VARCHAR(20), state INT);
  CREATE TABLE misc.notes (id INT PRIMARY KEY, topic VARCHAR(50));
  INSERT INTO shop.items SELECT seq, 1, CONCAT('n', seq) FROM (
    WITH RECURSIVE s (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM s WHERE seq < 100) SELECT seq FROM s) AS t;
  INSERT INTO shop.profiles VALUES (1, 'a@x'), (2, NULL), (3, 'c@x');
  INSERT INTO shop.grades VALUES ('5b', 1, 1), ('5b', 2, 2), ('a:b', 1, 3), ('6', 1, 4);
  INSERT INTO shop.tokens VALUES (X'00ff1000', 'a', 1), (X'00ff1001', 'b', 2);
  INSERT INTO shop.kinds VALUES ('a', '2024-01-02 03:04:05.678901'), ('z', NULL), ('m', NULL);
  INSERT INTO shop.heap VALUES ('x', 1);
  INSERT INTO misc.notes VALUES (1, 'one'), (2, 'two');`;

const TABLES: CacheflowOptions['tables'] = [
  { db: 'shop', table: 'items', strategy: 'write-through' },
  { db: 'shop', table: 'profiles', key: ['profile:{user_id}', 'profile:mail:{email}'] },
  { db: 'shop', table: '*', prefix: 'p:' },
];

async function verify(
  stage: Stage,
  args: string[] = [],
  tables = TABLES,
  more: Partial<CacheflowOptions> = {},
): Promise<CliRun> {
  return runCli(`module.exports = ${JSON.stringify(stage.options({ tables, ...more }))}`, args);
}

describeEachSql('verify', { schema: SCHEMA }, (stage) => {
  const item = (id: number, state = 1): string => JSON.stringify({ id, state, note: `n${id}` });

  it('says that all agree', async () => {
    const ids = Array.from({ length: 100 }, (_, index) => index + 1).filter((id) => id % 10 !== 0);
    await stage.redis.mset(ids.flatMap((id) => [`shop:items:${id}`, item(id)]));
    await stage.redis.mset({
      'profile:1': '{"user_id":1,"email":"a@x","more":[1]}',
      'profile:mail:c@x': '{"user_id":3}',
      'profile:mail:nobody@x': 'null',
      'p:shop:grades:5b:1': '{"class":"5b","grade":1}',
      'p:shop:grades:a:b:1': '{"class":"a:b","grade":3}',
      'p:shop:tokens:00ff1000': '{"token":"AP8QAA==","kind":"a"}',
      'p:shop:kinds:a': '{"kind":"a"}',
      'cacheflow:default:checkpoint': '{}',
      'cf:{shop:items:1}': '1',
      'shop:items:list': 'somebody else wrote it',
      unrelated: 'x',
    });
    const run = await verify(stage, ['--json', '--batch', '7']);
    expect(run.err).toContain('Skipped: shop.heap');
    expect(run.lines.filter((line) => !line.includes('summary'))).toEqual([]);
    expect(run.code).toBe(0);
    expect(run.summary).toMatchObject({
      rows: 112,
      cached: 96,
      stale: 0,
      orphans: 0,
      undecided: 0,
      unassigned: 1,
    });
  });

  it('finds what is stale and what has no row, and removes it when told to', async () => {
    await stage.redis.mset({
      'shop:items:5': item(5, 2),
      'shop:items:6': item(6),
      'shop:items:7': 'null',
      'shop:items:1000': item(1000),
      'shop:items:1001': 'null',
      'profile:3': '{"email":"b@x"}',
      'profile:mail:b@x': '{"user_id":3}',
      'profile:mail:A@x': '{"user_id":1}',
      'p:shop:grades:5b:3': '{}',
      'p:shop:grades:c:d:1': '{}',
      'p:shop:tokens:00ff1002': '{}',
      'p:shop:kinds:m': '{"kind":"x"}',
    });
    const faults = [
      'orphan p:shop:grades:5b:3',
      'orphan p:shop:grades:c:d:1',
      'orphan p:shop:tokens:00ff1002',
      'orphan profile:mail:A@x',
      'orphan profile:mail:b@x',
      'orphan shop:items:1000',
      'stale p:shop:kinds:m',
      'stale profile:3',
      'stale shop:items:5',
      'stale shop:items:7',
    ];
    const first = await verify(stage);
    const found = first.lines.filter((line) => /^(stale|orphan)/.test(line));
    expect(found.map((line) => line.replace(/ \S+ /, ' ')).sort()).toEqual(faults);
    expect(found).toContain('stale shop.items shop:items:5');
    expect(first.code).toBe(1);
    expect(first.err).toContain('may give false alarms');
    // What is printed are keys; values are the user's own affair.
    expect(first.out + first.err).not.toMatch(/n5|"state"/);

    const second = await verify(stage, ['--repair', '--json', '--quiet']);
    expect(second.code).toBe(1);
    expect(second.summary).toMatchObject({ stale: 4, orphans: 6, repaired: 10 });
    expect(await stage.redis.exists(...faults.map((line) => line.split(' ')[1] ?? ''))).toBe(0);
    expect(await stage.redis.exists('shop:items:6', 'shop:items:1001')).toBe(2);
    expect((await verify(stage)).code).toBe(0);
  });

  it('gives no false alarm while rows are written, and finds what is wrong all the same', async () => {
    // Without the pattern, which matches a table that has no keys.
    const app = await stage.app({ tables: TABLES.slice(0, 2) });
    await app.cacheflow.caughtUp();
    let on = true;
    const writer = (async () => {
      for (let state = 0; on; state++) {
        await stage.sql.query('UPDATE shop.items SET state = ? WHERE id BETWEEN 1 AND 50', [state % 2]);
      }
    })();
    try {
      await stage.redis.mset({ 'shop:items:70': item(70, 9), 'shop:items:2000': item(2000) });
      const run = await verify(stage, ['--json', '--batch', '10']);
      expect(run.err).not.toContain('false alarms');
      expect(run.lines.filter((line) => !line.includes('summary'))).toEqual([
        '{"kind":"orphan","table":"shop.items","key":"shop:items:2000","repaired":false}',
        '{"kind":"stale","table":"shop.items","key":"shop:items:70","repaired":false}',
      ]);
    } finally {
      on = false;
      await writer;
      await stage.sql.query('UPDATE shop.items SET state = 1');
    }
  });

  it('compares with key functions and the comparison of the app, and skips what it cannot turn back', async () => {
    await stage.redis.mset({ 'note:1': '"one"', 'note:2': '"three"', 'note:9': '"nine"' });
    const options = JSON.stringify(stage.options({ tables: [] })).replace('"tables":[]', '');
    const config = `export const options = { ${options.slice(1, -1)} tables: [{ db: 'misc', table: 'notes',
      key: (row) => 'note:' + row.id, match: 'note:*', audit: { compare: (cached, row) => cached === row.topic } }] }`;
    const run = await runCli(config, ['--quiet'], { extension: 'mjs' });
    expect(run.lines).toContain('stale misc.notes note:2');
    expect(run.err).toContain('a key function cannot be turned back');
    expect(run.code).toBe(1);
    expect(run.lines.filter((line) => /^(stale|orphan)/.test(line))).toHaveLength(1);
  });
});

describeEachSql('verify, in a cluster,', { schema: SCHEMA }, (stage) => {
  it('finds the same, through a client with a key prefix', async () => {
    const servers = await startRedisCluster();
    const ports = servers.nodes.map(({ port }) => port);
    const cluster = new Cluster(
      ports.map((port) => ({ host: '127.0.0.1', port })),
      { keyPrefix: 'app:' },
    );
    try {
      await cluster.set('shop:items:5', '{"id":5,"state":3,"note":"n5"}');
      await cluster.set('shop:items:6', '{"id":6,"state":1,"note":"n6"}');
      await cluster.set('shop:items:1000', '{"id":1000}');
      const mysql = JSON.stringify(stage.sql.connectionOptions());
      const config = `const { Cluster } = require(${JSON.stringify(require.resolve('ioredis'))});
        const redis = new Cluster(${JSON.stringify(ports)}.map((port) => ({ host: '127.0.0.1', port })), { keyPrefix: 'app:' });
        module.exports = { mysql: ${mysql}, redis, tables: ${JSON.stringify(TABLES)} };`;
      const run = await runCli(config, ['--quiet']);
      expect(run.lines.filter((line) => /^(stale|orphan)/.test(line))).toEqual([
        'orphan shop.items shop:items:1000',
        'stale shop.items shop:items:5',
      ]);
      expect(run.code).toBe(1);
    } finally {
      cluster.disconnect();
      await servers.dispose();
    }
  });
});

describeEachSql('verify that cannot run', { schema: 'CREATE DATABASE shop' }, (stage) => {
  it.each([
    ['without a command', ['--'], /There is no command[^]*Usage:/],
    ['with an unknown option', ['--jsn'], /Unknown option '--jsn'/],
    ['with a senseless batch', ['--batch', 'x'], /--batch has to be a whole number/],
  ])('says so, %s', async (_how, args, message) => {
    const run = await runCli('', args);
    expect(run.err).toMatch(message);
    expect([run.code, run.out]).toEqual([2, '']);
  });

  it('prints the faults of the options, and what cannot be reached', async () => {
    const empty = await runCli('module.exports = {}');
    expect([empty.code, empty.err]).toEqual([2, expect.stringContaining('exports no options')]);
    const broken = await runCli('throw new Error("not today")');
    expect([broken.code, broken.err]).toEqual([2, expect.stringContaining('cannot be loaded: not today')]);
    const wrong = await verify(stage, [], [{ db: 'shop', table: 'x', ttl: 3 } as never]);
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain('tables[0].ttl: there is no such option');
    const options = stage.options({ tables: TABLES });
    const noSource = { ...options, name: 'other', mysql: { ...options.mysql, password: 'wrong-sentinel' } };
    const refused = await runCli(`exports.default = ${JSON.stringify(noSource)}`);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('the source cannot be reached')]);
    expect(refused.err).not.toContain('sentinel');
    const away = await runCli(`module.exports = ${JSON.stringify({ ...options, redis: { port: 1 } })}`);
    expect([away.code, away.err]).toEqual([2, expect.stringContaining('Redis cannot be reached')]);
  });

  it('explains itself', async () => {
    const run = await runCli('', ['--', '--help']);
    expect([run.code, run.out]).toEqual([0, expect.stringContaining('Usage: nestjs-cacheflow verify')]);
  });
});
