import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { TableOptions } from '../../lib';
import type { TestApp } from '../support/app';
import { codesOf } from '../support/app';
import { CHECKPOINT, untilSaved } from '../support/checkpoint';
import { connectRedis, describeEachSql, Stage } from '../support/each-sql';
import { replicate } from '../support/replicate';
import type { SqlServer } from '../support/servers';
import { startMariadb, startMysql, startRedis } from '../support/servers';
import { SwitchingProxy } from '../support/switching-proxy';
import { waitFor } from '../support/wait-for';
import { itOnOneServer } from '../support/redis/on-one-server';

// Where changes were missed, no key is trusted: all of the watched tables go, and the tail goes on from now.

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.users (id INT PRIMARY KEY, note LONGTEXT);
  CREATE TABLE shop.log_a (id INT PRIMARY KEY);
  CREATE TABLE shop.profiles (id INT PRIMARY KEY, mail VARCHAR(50));
  CREATE TABLE shop.carts (id INT PRIMARY KEY);
  CREATE TABLE shop.prices (id INT PRIMARY KEY, n INT);`;
const USERS: TableOptions = { db: 'shop', table: 'users' };
const reconnect = { minMillis: 20, maxMillis: 200 };

const codes = (app: TestApp): string[] =>
  codesOf(app).filter((code) => code !== 'CACHEFLOW_SOURCE_UNAVAILABLE');
const ids = (app: TestApp): unknown[] => [...new Set(app.events.map(({ after }) => after?.['id']))];

async function change(stage: Stage, id: number, server: SqlServer = stage.sql): Promise<void> {
  await server.query('REPLACE INTO shop.users VALUES (?, UUID())', [id]);
}

async function files(stage: Stage): Promise<string[]> {
  const rows = await stage.sql.query<{ Log_name: string }>('SHOW BINARY LOGS');
  return rows.map((row) => row.Log_name);
}

/** Leaves the server with nothing but its latest binlog file. */
async function purge(stage: Stage): Promise<void> {
  await stage.sql.query('FLUSH BINARY LOGS');
  await waitFor(
    async () => {
      await stage.sql.query('PURGE BINARY LOGS TO ?', [(await files(stage)).at(-1)]);
      return (await files(stage)).length === 1;
    },
    // A dump thread keeps its file until it notices that nobody listens any more.
    { message: 'the purge', timeoutMillis: 30_000 },
  );
}

async function reset(stage: Stage): Promise<void> {
  await stage.sql.query(stage.sql.kind === 'mysql' ? 'RESET BINARY LOGS AND GTIDS' : 'RESET MASTER');
}

/** As `describeEachSql`, on one kind of server. */
function describeSql(
  kind: 'mysql' | 'mariadb',
  title: string,
  body: (stage: Stage) => void,
  args: string[] = [],
): void {
  describe(title, () => {
    const stage = new Stage(kind);
    beforeAll(async () => {
      const start = kind === 'mysql' ? startMysql : startMariadb;
      [stage.sql, stage.redisServer] = await Promise.all([start({ args }), startRedis()]);
      stage.redis = connectRedis(stage.redisServer);
      await stage.sql.query(SCHEMA);
    });
    afterEach(async () => {
      await stage.closeApps();
      await stage.redis.flushall();
    });
    afterAll(async () => {
      stage.redis?.disconnect();
      await Promise.all([stage.sql?.dispose(), stage.redisServer?.dispose()]);
    });
    body(stage);
  });
}

/** A file tells when it was begun in whole seconds. */
async function nextSecond(stage: Stage): Promise<void> {
  const now = async (): Promise<number> =>
    Number((await stage.sql.query<{ now: number }>('SELECT UNIX_TIMESTAMP() AS now'))[0]?.now);
  const before = await now();
  await waitFor(async () => (await now()) > before, { message: 'the next second' });
}

/** So much that `growBeyond` has room. */
async function fill(stage: Stage): Promise<void> {
  await stage.sql.query('REPLACE INTO shop.users VALUES (1000, REPEAT(UUID(), 3000))');
}

/**
 * Writes until the new binlog has all that the old one had: its files, its length, its GTID numbers, and the end of a
 * transaction at the very same place, because the source itself refuses to begin in the midst of one.
 */
async function growBeyond(stage: Stage, file: string, offset: number): Promise<void> {
  while ((await files(stage)).at(-1) !== file) await stage.sql.query('FLUSH BINARY LOGS');
  const status = stage.sql.kind === 'mysql' ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS';
  const end = async (): Promise<number> =>
    Number((await stage.sql.query<{ Position: number }>(status))[0]?.Position);
  const insert = async (length: number): Promise<void> => {
    await stage.sql.query("INSERT INTO shop.users VALUES (?, REPEAT('x', ?))", [nextId++, length]);
  };
  const before = await end();
  await insert(30_000);
  const overhead = (await end()) - before - 30_000;
  while (offset - (await end()) > 60_000) await insert(30_000);
  await insert(offset - (await end()) - overhead);
  expect(await end()).toBe(offset);
  for (let n = 0; n < 20; n++) await change(stage, 1_001);
}
let nextId = 2_000;

describe.each([
  ['by GTID', undefined],
  // MariaDB always has GTIDs; there a checkpoint without them is resumed by file.
  ['by file and position', ['--gtid-mode=OFF', '--enforce-gtid-consistency=OFF']],
])('%s', (_title, mysqlArgs) => {
  const options = {
    schema: SCHEMA,
    sql: (kind: string) => (kind === 'mysql' && mysqlArgs ? { args: mysqlArgs } : {}),
  };
  describeEachSql('a position that is lost', options, (stage) => {
    async function proxied(): Promise<{ proxy: SwitchingProxy; app: TestApp }> {
      const proxy = await SwitchingProxy.start(stage.sql.port);
      onTestFinished(() => proxy.dispose());
      const mysql = { ...stage.sql.connectionOptions(), port: proxy.port };
      const app = await stage.app({ tables: [USERS], mysql, reconnect });
      await change(stage, 1);
      await app.cacheflow.caughtUp();
      await stage.cache('shop:users:1', 'shop:users:50', 'other:1');
      return { proxy, app };
    }

    async function cut(proxy: SwitchingProxy, app: TestApp): Promise<void> {
      proxy.close();
      await waitFor(() => app.cacheflow.status().state === 'connecting', { message: 'the break' });
    }

    /** Runs an app, then what happens while it is away, and hands over the next app. */
    async function whileDown(
      what: (place: { file: string; offset: number }) => Promise<void>,
    ): Promise<TestApp> {
      const first = await stage.app({ tables: [USERS] });
      await change(stage, 1);
      await first.cacheflow.caughtUp();
      const position = first.cacheflow.status().position ?? { file: '', offset: 0 };
      await first.close();
      if (mysqlArgs) {
        const { gtidSet: _, ...rest } = JSON.parse((await stage.redis.get(CHECKPOINT)) ?? '{}');
        await stage.redis.set(CHECKPOINT, JSON.stringify(rest));
      }
      await stage.cache('shop:users:1', 'shop:users:50', 'other:1');
      await what(position);
      return stage.app({ tables: [USERS], reconnect });
    }

    /** All keys of the table went, said so, and the changes after it are applied. */
    async function expectFlushed(app: TestApp): Promise<void> {
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget('shop:users:1', 'shop:users:50', 'other:1')).toEqual([
        null,
        null,
        'cached',
      ]);
      expect(codes(app)).toEqual(['CACHEFLOW_POSITION_LOST']);
      expect(app.errors.filter(({ code }) => code === 'CACHEFLOW_POSITION_LOST')).toHaveLength(1);
      await stage.cache('shop:users:60', 'shop:users:61');
      await change(stage, 60);
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget('shop:users:60', 'shop:users:61')).toEqual([null, 'cached']);
      expect(ids(app)).toContain(60);
      expect(app.cacheflow.status()).toMatchObject({ state: 'streaming', flushing: undefined });
      await untilSaved(app, stage.redis);
    }

    it('was purged while the app was down', async () => {
      await expectFlushed(
        await whileDown(async () => {
          await change(stage, 50);
          await purge(stage);
        }),
      );
    });

    it('was purged while the app was cut off', async () => {
      const { proxy, app } = await proxied();
      await cut(proxy, app);
      await change(stage, 50);
      await purge(stage);
      proxy.open();
      await expectFlushed(app);
      expect(ids(app)).not.toContain(50);
    });

    it('went with a RESET while the app was down', async () => {
      await expectFlushed(
        await whileDown(async () => {
          await reset(stage);
          await change(stage, 50);
        }),
      );
    });

    it('went with a RESET while the app was down, and the new binlog has grown beyond it', async () => {
      await fill(stage);
      await expectFlushed(
        await whileDown(async ({ file, offset }) => {
          await nextSecond(stage);
          await reset(stage);
          await change(stage, 50);
          await growBeyond(stage, file, offset);
        }),
      );
    });

    it('went with a RESET while the app was cut off, and the new binlog has grown beyond it', async () => {
      await fill(stage);
      const { proxy, app } = await proxied();
      const { file, offset } = app.cacheflow.status().position ?? { file: '', offset: 0 };
      await cut(proxy, app);
      await nextSecond(stage);
      await reset(stage);
      await change(stage, 50);
      await growBeyond(stage, file, offset);
      proxy.open();
      await expectFlushed(app);
    });

    it('went with a RESET while the app was connected', async () => {
      const { app } = await proxied();
      await stage.sql.query("REPLACE INTO shop.users VALUES (2, REPEAT('x', 100000))");
      await app.cacheflow.caughtUp();
      await reset(stage);
      await stage.cache('shop:users:51');
      await change(stage, 51);
      await app.cacheflow.caughtUp();
      expect(await stage.redis.get('shop:users:51')).toBeNull();
      await expectFlushed(app);
    });
  });
});

const EVERY_KIND: TableOptions[] = [
  USERS,
  { db: 'shop', table: 'log_*' },
  { db: 'shop', table: 'profiles', key: ['profile:{id}', 'by-mail:{mail}'] },
  { db: 'shop', table: 'carts', key: ({ id }) => `cart-${String(id)}`, match: 'cart-*' },
  { db: 'shop', table: 'prices', prefix: 'pre[x]:', strategy: 'write-through' },
];
const THEIRS = [
  'shop:users:1',
  'shop:log_a:7',
  'shop:log_gone:7',
  'profile:3',
  'by-mail:a@b',
  'cart-5',
  'pre[x]:shop:prices:9',
];
const OTHERS = [
  'xshop:users:1',
  'shop:user:1',
  'shop:log:1',
  'profiles:3',
  'a-cart-5',
  'prex:shop:prices:9',
  'shop:carts:5',
];

describeEachSql('the flush', { schema: SCHEMA }, (stage) => {
  /** A checkpoint whose place is gone. */
  async function lose(tables: TableOptions[] = [USERS]): Promise<void> {
    const app = await stage.app({ tables });
    await change(stage, 1);
    await app.cacheflow.caughtUp();
    await app.close();
    await change(stage, 2);
    await purge(stage);
  }

  it('removes the keys of every kind of rule, and no others', async () => {
    await lose(EVERY_KIND);
    await stage.cache(...THEIRS, ...OTHERS);
    const app = await stage.app({ tables: EVERY_KIND });
    expect(await stage.redis.mget(THEIRS)).toEqual(THEIRS.map(() => null));
    expect(await stage.redis.mget(OTHERS)).toEqual(OTHERS.map(() => 'cached'));
    expect(codes(app)).toEqual(['CACHEFLOW_POSITION_LOST']);
    // The first transaction after the flush is newer than what the flush has left behind.
    await stage.sql.query('REPLACE INTO shop.prices VALUES (9, 1)');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('pre[x]:shop:prices:9')).toBe('{"id":9,"n":1}');
  });

  it('does not happen where it is forbidden: the tail stops and leaves everything as it was', async () => {
    await lose();
    await stage.cache('shop:users:1');
    const checkpoint = await stage.redis.get(CHECKPOINT);
    const app = await stage.boot({ tables: [USERS], onPositionLost: 'fail' });
    await waitFor(() => app.cacheflow.status().state === 'failed', { message: 'the tail to give up' });
    expect(codes(app)).toEqual(['CACHEFLOW_POSITION_LOST']);
    expect(app.log.join('\n')).toContain('Changes were missed');
    await app.close();
    expect(await stage.redis.get('shop:users:1')).toBe('cached');
    expect(await stage.redis.get(CHECKPOINT)).toBe(checkpoint);
  });

  const MANY = 200_000;
  async function cacheMany(): Promise<void> {
    await stage.redis.eval(
      "for id = 1, tonumber(ARGV[1]) do redis.call('SET', 'shop:users:' .. id, 'cached') end",
      0,
      MANY,
    );
  }

  itOnOneServer('of many keys tells how far it is, and takes the changes of its time with it', async () => {
    await lose();
    await cacheMany();
    const app = await stage.boot({
      tables: [USERS, { db: 'shop', table: 'prices', strategy: 'write-through' }],
    });
    // MariaDB tells the loss when the stream is asked for; before, the new table of the options has been seen to.
    const progress = await waitFor(
      () => {
        const { flushing } = app.cacheflow.status();
        return flushing?.of === '*' && flushing;
      },
      { message: 'the flush' },
    );
    expect(progress).toMatchObject({ of: '*', since: expect.any(Number), removed: expect.any(Number) });
    await waitFor(() => (app.cacheflow.status().flushing?.removed ?? 0) > 0, { message: 'progress' });
    await stage.sql.query('REPLACE INTO shop.prices VALUES (9, 2)');
    await change(stage, 70);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.keys('shop:*')).toEqual(['shop:prices:9']);
    expect(await stage.redis.get('shop:prices:9')).toBe('{"id":9,"n":2}');
    expect(ids(app)).toContain(70);
    expect(app.cacheflow.status()).toMatchObject({ flushing: undefined, counters: { flushed: MANY } });
  });

  itOnOneServer('that was cut short by a crash is done again', async () => {
    await lose();
    await cacheMany();
    const tail = await stage.spawn(stage.options({ tables: [USERS] }));
    const all = Number(await stage.redis.dbsize());
    await waitFor(async () => Number(await stage.redis.dbsize()) < all - 100, { message: 'the flush' });
    await tail.kill();
    expect((await stage.redis.keys('shop:users:*')).length).toBeGreaterThan(0);
    const app = await stage.app({ tables: [USERS] });
    expect(await stage.redis.keys('shop:users:*')).toEqual([]);
    expect(codes(app)).toEqual(['CACHEFLOW_POSITION_LOST']);
  });

  it('is no answer to a wrong `startAt` of a first start', async () => {
    await stage.cache('shop:users:1');
    const startAt = { file: 'binlog.999999', offset: 4 };
    const app = await stage.boot({ tables: [USERS], startAt, reconnect });
    await waitFor(() => app.cacheflow.status().state === 'failed', { message: 'the tail to give up' });
    expect(codes(app)).toEqual(['CACHEFLOW_POSITION_LOST']);
    expect(app.errors.at(-1)?.message).toContain('correct `startAt`');
    expect(await stage.redis.get('shop:users:1')).toBe('cached');
  });

  it('is announced when the lag has eaten half, and again four fifths, of the retention', async () => {
    await stage.sql.query('SET GLOBAL binlog_expire_logs_seconds = 6');
    onTestFinished(() =>
      stage.sql.query('SET GLOBAL binlog_expire_logs_seconds = 864000').then(() => undefined),
    );
    const app = await stage.app({ tables: [USERS], watchdogMillis: 1_000 });
    app.cacheflow.pause();
    await change(stage, 1);
    const warnings = (): string[] =>
      app.log.filter((line) => line.includes('of the time for which the source keeps its binlog'));
    await waitFor(() => warnings().length === 2, { message: 'both warnings', timeoutMillis: 20_000 });
    const parts = warnings().map((line) => Number(/(\d+) % of the time/.exec(line)?.[1]));
    expect(parts[0]).toBeGreaterThanOrEqual(50);
    expect(parts[0]).toBeLessThan(80);
    expect(parts[1]).toBeGreaterThanOrEqual(80);
    app.cacheflow.resume();
    await app.cacheflow.caughtUp();
    expect(app.errors).toEqual([]);
  });
});

describe.each([
  ['MySQL', startMysql, ['--server-id=2', '--log-replica-updates=ON']],
  ['MariaDB', startMariadb, ['--server-id=2', '--log-slave-updates=ON']],
] as const)('another server (%s)', (_name, start, args) => {
  const kind = start === startMysql ? 'mysql' : 'mariadb';

  describeSql(kind, 'behind the same address', (stage) => {
    async function pair(): Promise<{ proxy: SwitchingProxy; app: TestApp; second: SqlServer }> {
      const second = await start({ args: [...args] });
      onTestFinished(() => second.dispose());
      await second.query(replicate(stage.sql));
      const proxy = await SwitchingProxy.start(stage.sql.port);
      onTestFinished(() => proxy.dispose());
      const mysql = { ...stage.sql.connectionOptions(), port: proxy.port };
      const app = await stage.app({ tables: [USERS], mysql, reconnect });
      await change(stage, 1);
      await app.cacheflow.caughtUp();
      await waitFor(async () => (await second.query('SELECT 1 FROM shop.users WHERE id = 1')).length === 1, {
        message: 'the replica',
        timeoutMillis: 30_000,
      });
      return { proxy, app, second };
    }

    it('goes on without a flush where it has all that was applied, and misses nothing', async () => {
      const { proxy, app, second } = await pair();
      await stage.cache('shop:users:1', 'shop:users:2', 'shop:users:3');
      proxy.close();
      await change(stage, 2);
      await waitFor(async () => (await second.query('SELECT 1 FROM shop.users WHERE id = 2')).length === 1);
      await second.query(kind === 'mysql' ? 'STOP REPLICA' : 'STOP SLAVE');
      proxy.open(second.port);
      await change(stage, 3, second);
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget('shop:users:1', 'shop:users:2', 'shop:users:3')).toEqual([
        'cached',
        null,
        null,
      ]);
      expect(codes(app)).toEqual([]);
      expect(ids(app)).toEqual([1, 2, 3]);
    });

    it('costs all keys where it lacks what was applied last', async () => {
      const { proxy, app, second } = await pair();
      await second.query(kind === 'mysql' ? 'STOP REPLICA' : 'STOP SLAVE');
      await change(stage, 2);
      await app.cacheflow.caughtUp();
      await stage.cache('shop:users:2', 'shop:users:9');
      proxy.close();
      proxy.open(second.port);
      await change(stage, 3, second);
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget('shop:users:2', 'shop:users:9')).toEqual([null, null]);
      expect(codes(app)).toEqual(['CACHEFLOW_POSITION_LOST']);
      await change(stage, 4, second);
      await app.cacheflow.caughtUp();
      expect(ids(app)).toContain(4);
    });
  });
});

describe('another server without GTIDs', () => {
  describeSql(
    'mysql',
    'behind the same address',
    (stage) => {
      it('costs all keys, because its files are others', async () => {
        const second = await startMysql({
          args: ['--gtid-mode=OFF', '--enforce-gtid-consistency=OFF', '--server-id=2'],
        });
        onTestFinished(() => second.dispose());
        await second.query(SCHEMA);
        // Its binlog has the same file, and more of it.
        await second.query("REPLACE INTO shop.users VALUES (1, REPEAT('x', 100000))");
        const proxy = await SwitchingProxy.start(stage.sql.port);
        onTestFinished(() => proxy.dispose());
        const mysql = { ...stage.sql.connectionOptions(), port: proxy.port };
        const app = await stage.app({ tables: [USERS], mysql, reconnect });
        await change(stage, 1);
        await app.cacheflow.caughtUp();
        await stage.cache('shop:users:2', 'shop:users:3');
        proxy.close();
        proxy.open(second.port);
        await change(stage, 3, second);
        await app.cacheflow.caughtUp();
        expect(await stage.redis.mget('shop:users:2', 'shop:users:3')).toEqual([null, null]);
        expect(codes(app)).toEqual(['CACHEFLOW_POSITION_LOST']);
      });
    },
    ['--gtid-mode=OFF', '--enforce-gtid-consistency=OFF'],
  );
});
