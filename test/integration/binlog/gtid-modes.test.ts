import { isDeepStrictEqual } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import type { TableOptions } from '../../../lib';
import type { TestApp } from '../../support/app';
import { codesOf } from '../../support/app';
import { storedCheckpoint, untilSaved } from '../../support/checkpoint';
import type { Stage } from '../../support/each-sql';
import { describeOneSql } from '../../support/one-sql';
import { replicate } from '../../support/replicate';
import type { SqlServer } from '../../support/servers';
import { startMysql } from '../../support/servers';
import { SwitchingProxy } from '../../support/switching-proxy';
import { waitFor } from '../../support/wait-for';

// GTIDs are switched off and on again under the tail (MySQL's own procedure): nothing is lost, and nothing is flushed.

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT);
  CREATE TABLE shop.other (id INT PRIMARY KEY, v INT);`;
const tables: TableOptions[] = [
  { db: 'shop', table: 't', strategy: 'write-through' },
  { db: 'shop', table: 'other' },
];
const options = { tables, onPositionLost: 'fail', reconnect: { minMillis: 10, maxMillis: 100 } } as const;

/** The steps that the manual wants, in order. */
const OFF = ['gtid_mode = ON_PERMISSIVE', 'gtid_mode = OFF_PERMISSIVE', 'gtid_mode = OFF'];
const ON = [
  'gtid_mode = OFF_PERMISSIVE',
  'enforce_gtid_consistency = ON',
  'gtid_mode = ON_PERMISSIVE',
  'gtid_mode = ON',
];

async function set(stage: Stage, ...steps: readonly string[]): Promise<void> {
  for (const step of steps) await stage.sql.query(`SET GLOBAL ${step}`);
}

/**
 * The next step. As MySQL's manual has it, the last one is only done when nobody has anything to read any more that was
 * written in the other mode: the server would not send it.
 */
async function switched(stage: Stage, app: TestApp, step: string): Promise<void> {
  if (/= O(N|FF)$/.test(step)) await app.cacheflow.caughtUp();
  await set(stage, step);
}

async function insert(stage: Stage, count = 1): Promise<void> {
  for (let row = 0; row < count; row++) await stage.sql.query('INSERT INTO shop.t (v) VALUES (1)');
}

/** What came, in order, from each app; each row once in a run that nothing broke. */
function idsOf(...apps: readonly TestApp[]): unknown[] {
  return apps.flatMap(({ events }) => events.map(({ after }) => after?.['id']));
}

async function allIds({ sql }: Pick<Stage, 'sql'>): Promise<unknown[]> {
  return (await sql.query('SELECT id FROM shop.t ORDER BY id')).map((row) => row['id']);
}

/** That every row came and is written, and that nothing was flushed. */
async function expectAll(stage: Stage, apps: readonly TestApp[]): Promise<void> {
  await apps.at(-1)?.cacheflow.caughtUp({ timeoutMillis: 30_000 });
  const ids = await allIds(stage);
  expect([...new Set(idsOf(...apps))]).toEqual(ids);
  expect(await stage.redis.exists(...ids.map((id) => `shop:t:${String(id)}`))).toBe(ids.length);
  expect(await stage.redis.get('shop:other:1')).toBe('cached');
  const codes = apps.flatMap(({ errors }) => errors.map(({ code }) => code));
  expect(codes.filter((code) => code !== 'CACHEFLOW_SOURCE_UNAVAILABLE')).toEqual([]);
}

describeOneSql('mysql', 'gtid_mode', { schema: SCHEMA }, (stage) => {
  async function begin(...before: readonly string[]): Promise<TestApp> {
    await stage.sql.query('TRUNCATE shop.t');
    const [row] = await stage.sql.query<{ mode: string }>('SELECT @@GLOBAL.gtid_mode AS mode');
    const done = ON.findIndex((step) => step.endsWith(` ${row?.mode}`));
    await set(stage, ...ON.slice(done + 1), ...before);
    const app = await stage.app(options);
    await stage.cache('shop:other:1');
    return app;
  }

  it('may be switched off and on again step by step, with changes between', async () => {
    const app = await begin();
    await insert(stage, 3);
    for (const step of [...OFF, ...ON]) {
      await switched(stage, app, step);
      await insert(stage, 2);
    }
    await expectAll(stage, [app]);
    expect(idsOf(app).length).toBe(17);
  });

  it('may be switched with the connections of the tail cut at each step', async () => {
    const app = await begin();
    for (const step of [...OFF, ...ON]) {
      await switched(stage, app, step);
      await insert(stage);
      const { reconnects } = app.cacheflow.status().counters;
      const threads = await stage.sql.query<{ Id: number; Command: string }>('SHOW PROCESSLIST');
      for (const { Id: id, Command: command } of threads) {
        if (command.startsWith('Binlog Dump')) await stage.sql.query(`KILL ${id}`);
      }
      await waitFor(() => app.cacheflow.status().counters.reconnects > reconnects, { message: step });
      await insert(stage);
    }
    await expectAll(stage, [app]);
  });

  it('may be switched while the app is away', async () => {
    const apps = [await begin()];
    await insert(stage, 2);
    const [toOff, off, toOn, on] = [OFF.slice(0, 2), OFF.slice(2), ON.slice(0, 3), ON.slice(3)];
    for (const steps of [toOff, off, toOn, on, toOff, ['gtid_mode = ON_PERMISSIVE'], on]) {
      await apps.at(-1)?.cacheflow.caughtUp();
      await apps.at(-1)?.close();
      await insert(stage);
      for (const step of steps) {
        await set(stage, step);
        await insert(stage);
      }
      apps.push(await stage.app(options));
    }
    await expectAll(stage, apps);
    expect(idsOf(...apps).length).toBe((await allIds(stage)).length);
  });

  it('is told where MySQL no longer sends what was written without GTIDs', async () => {
    const app = await begin(...OFF);
    await app.close();
    await insert(stage, 3);
    await set(stage, ...ON);
    await insert(stage);
    const later = await stage.app({ tables });
    expect(codesOf(later)).toEqual(['CACHEFLOW_POSITION_LOST']);
    expect(later.errors[0]?.message).toMatch(/Cannot replicate anonymous transaction/);
    expect(await stage.redis.get('shop:other:1')).toBeNull();
    await insert(stage);
    await later.cacheflow.caughtUp();
    expect(idsOf(later)).toEqual((await allIds(stage)).slice(-1));
  });

  it('may be off before what was read with GTIDs is applied', async () => {
    const app = await begin();
    stage.redisServer.pause();
    try {
      await insert(stage);
      const waiting = (rows: number): boolean => app.cacheflow.status().queuedRows >= rows;
      await waitFor(() => waiting(1), { message: 'the first batch' });
      await insert(stage, 5);
      await waitFor(() => waiting(6), { message: 'what waits behind it' });
      await set(stage, ...OFF);
      await insert(stage, 5);
    } finally {
      stage.redisServer.resume();
    }
    await expectAll(stage, [app]);
  });

  it(
    'may come on under a tail that began without, which then knows its GTIDs',
    { timeout: 60_000 },
    async () => {
      const app = await begin(...OFF);
      await insert(stage, 2);
      await app.cacheflow.caughtUp();
      expect(app.cacheflow.status().position?.gtidSet).toBeUndefined();
      await set(stage, ...ON);
      await insert(stage, 3);
      await waitFor(() => app.cacheflow.status().position?.gtidSet, {
        message: 'the GTID set',
        timeoutMillis: 20_000,
      });
      await insert(stage, 2);
      await expectAll(stage, [app]);
      const [row] = await stage.sql.query<{ executed: string }>('SELECT @@GLOBAL.gtid_executed AS executed');
      expect(app.cacheflow.status().position?.gtidSet?.replace(/\s/g, '')).toBe(
        row?.executed.replace(/\s/g, ''),
      );
    },
  );

  it(
    'may be switched with the app restarted at each step, down to no consistency at all',
    { timeout: 120_000 },
    async () => {
      const apps = [await begin()];
      await insert(stage);
      const consistency = 'enforce_gtid_consistency';
      for (const step of [...OFF, `${consistency} = OFF`, `${consistency} = ON`, ...ON]) {
        const app = apps.at(-1) as TestApp;
        await app.cacheflow.caughtUp();
        await app.close();
        await insert(stage);
        await set(stage, step);
        apps.push(await stage.app(options));
        await insert(stage);
      }
      await expectAll(stage, apps);
      expect(idsOf(...apps)).toEqual(await allIds(stage));
      // What is saved is complete again, so that another server could take over.
      await untilSaved(apps.at(-1) as TestApp, stage.redis);
      const [row] = await stage.sql.query<{ executed: string }>('SELECT @@GLOBAL.gtid_executed AS executed');
      expect((await storedCheckpoint(stage.redis))?.gtidSet).toBe(row?.executed.replace(/\s/g, ''));
    },
  );

  it('may be switched with every connection to the server cut at each step, while values are written', async () => {
    const app = await begin();
    await stage.sql.query('INSERT INTO shop.t VALUES (1000, 0)');
    let v = 0;
    const update = async (): Promise<void> => {
      await stage.sql.query('UPDATE shop.t SET v = ? WHERE id = 1000', [++v]);
    };
    for (const step of [...OFF, ...ON]) {
      await update();
      await switched(stage, app, step);
      await update();
      const { reconnects } = app.cacheflow.status().counters;
      const [own] = await stage.sql.query<{ id: number }>('SELECT CONNECTION_ID() AS id');
      const threads = await stage.sql.query<{ Id: number; User: string }>('SHOW PROCESSLIST');
      for (const { Id: id, User: user } of threads) {
        // Some are gone by then, because the tail hangs up when it loses one of its connections.
        if (id !== own?.id && user === 'root') await stage.sql.query(`KILL ${id}`).catch(() => 'gone');
      }
      await waitFor(() => app.cacheflow.status().counters.reconnects > reconnects, { message: step });
      await update();
      await app.cacheflow.caughtUp();
      expect(await stage.redis.get('shop:t:1000'), step).toBe(JSON.stringify({ id: 1000, v }));
    }
    expect(app.events.slice(1).map(({ before, after }) => [before?.['v'], after?.['v']])).toEqual(
      Array.from({ length: v }, (_, n) => [n, n + 1]),
    );
    await expectAll(stage, [app]);
  });
});

describeOneSql('mysql', 'a second server', { schema: SCHEMA }, (stage) => {
  /** In the place of the first one's files it has its own, which are numbered alike. */
  it('that takes over between the two connections of the tail is noticed', { timeout: 120_000 }, async () => {
    const other = await startMysql({ args: ['--server-id=2', '--log-replica-updates=ON'] });
    onTestFinished(() => other.dispose());
    await other.query(replicate(stage.sql));
    const seen = async (id: number): Promise<void> => {
      await waitFor(async () => (await other.query('SELECT 1 FROM shop.t WHERE id = ?', [id])).length === 1, {
        message: 'the replica',
        timeoutMillis: 30_000,
      });
    };
    const fileOf = async (server: SqlServer): Promise<string> =>
      String((await server.query('SHOW BINARY LOG STATUS'))[0]?.['File']);
    const flushTo = async (server: SqlServer, file: string): Promise<void> => {
      while ((await fileOf(server)) !== file) await server.query('FLUSH BINARY LOGS');
    };
    await insert(stage);
    await seen(1);
    const file = 'binlog.000020';
    await flushTo(stage.sql, file);

    const proxy = await SwitchingProxy.start(stage.sql.port);
    onTestFinished(() => proxy.dispose());
    const app = await stage.app({
      ...options,
      // Their connections are no part of this.
      election: 'none',
      barrier: { host: stage.sql.host, port: stage.sql.port },
      mysql: { ...stage.sql.connectionOptions(), port: proxy.port },
    });
    await stage.cache('shop:other:1');
    proxy.close();
    await waitFor(() => app.cacheflow.status().state === 'connecting', { message: 'the break' });
    // The first server has this change in its file of that name, the second one in the file before.
    await insert(stage);
    await seen(2);
    await flushTo(other, file);

    // Between its two connections the tail asks Redis.
    stage.redisServer.pause();
    const sessions = async (): Promise<number> =>
      (await stage.sql.query("SELECT 1 FROM INFORMATION_SCHEMA.PROCESSLIST WHERE USER = 'root'")).length;
    const before = await sessions();
    proxy.open();
    await waitFor(async () => (await sessions()) > before, { message: 'the first connection' });
    proxy.open(other.port);
    stage.redisServer.resume();
    const noticed = (): boolean =>
      app.errors.some(({ message }) => message.includes('the address leads to another server now'));
    await waitFor(noticed, { message: 'the report' });
    await app.cacheflow.caughtUp({ timeoutMillis: 30_000 });
    await waitFor(() => app.events.length > 0, { message: 'the change' });
    expect(idsOf(app)).toEqual([2]);
    expect(await stage.redis.get('shop:other:1')).toBe('cached');
    expect(codesOf(app)).toEqual(['CACHEFLOW_SOURCE_UNAVAILABLE']);
  });

  it('that readers use may have its gtid_mode switched as well', { timeout: 120_000 }, async () => {
    const replica = await startMysql({ args: ['--server-id=2'] });
    onTestFinished(() => replica.dispose());
    await replica.query(
      `SET GLOBAL gtid_mode = ON_PERMISSIVE; CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1',
       SOURCE_PORT = ${stage.sql.port}, SOURCE_USER = 'root', SOURCE_LOG_FILE = 'binlog.000001', SOURCE_LOG_POS = 4;
       START REPLICA`,
    );
    // `late` stops it, which must not happen before it has the table.
    await waitFor(async () => isDeepStrictEqual(await allIds({ sql: replica }), await allIds(stage)), {
      timeoutMillis: 30_000,
      message: 'the replica',
    });
    const app = await stage.app({ ...options, barrier: { host: replica.host, port: replica.port } });
    await stage.cache('shop:other:1');
    const before = (await allIds(stage)).length;
    const late = async (count: number): Promise<void> => {
      await replica.query('STOP REPLICA SQL_THREAD');
      await insert(stage, count);
      await waitFor(() => app.cacheflow.status().barrier.waitingSince !== undefined, {
        message: 'the barrier',
      });
      expect((await allIds({ sql: replica })).length).toBeLessThan((await allIds(stage)).length);
      await replica.query('START REPLICA SQL_THREAD');
      await app.cacheflow.caughtUp({ timeoutMillis: 30_000 });
      expect(await allIds({ sql: replica })).toEqual(await allIds(stage));
    };
    // It takes both kinds of transactions as long as it is in one of the permissive modes.
    for (const step of [...OFF, ...ON]) {
      await late(1);
      await set(stage, step);
      if (step.endsWith('_PERMISSIVE')) await replica.query(`SET GLOBAL ${step}`);
      await late(2);
    }
    await app.cacheflow.caughtUp();
    expect(idsOf(app)).toEqual((await allIds(stage)).slice(before));
    expect(await stage.redis.get('shop:other:1')).toBe('cached');
    // Told of: the replica that applied nothing, and the stream by GTID set, which the server broke off.
    expect(codesOf(app)).toEqual(['CACHEFLOW_SOURCE_UNAVAILABLE']);
  });
});
