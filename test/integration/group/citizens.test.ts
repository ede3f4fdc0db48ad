import { Redis } from 'ioredis';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import type { CacheflowOptions } from '../../../lib';
import type { TestApp } from '../../support/app';
import { codesOf } from '../../support/app';
import type { Stage } from '../../support/each-sql';
import { connectRedis, describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(32));
  CREATE TABLE shop.moving (id INT PRIMARY KEY, code INT NOT NULL)`;
const tables = [{ db: 'shop', table: 'users' }];

async function pair(stage: Stage, more: Partial<CacheflowOptions> = {}): Promise<[TestApp, TestApp]> {
  const leader = await stage.app({ tables, ...more });
  const standby = await stage.boot({ tables, ...more });
  await waitFor(() => standby.cacheflow.status().state === 'standby', { message: 'the standby' });
  await waitFor(() => standby.cacheflow.status().group.leader !== undefined);
  return [leader, standby];
}

/** How many there have been since the server was started. */
async function connections({ sql }: Stage): Promise<number> {
  const [row] = await sql.query<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Connections'");
  return Number(row?.Value);
}

describeEachSql('a standby', { schema: SCHEMA }, (stage) => {
  afterEach(async () => stage.sql.query('DELETE FROM shop.users'));

  it('is caught up when its leader is, from its first moment on', async () => {
    const [leader, standby] = await pair(stage);
    for (let id = 1; id <= 50; id++) {
      await stage.cache(`shop:users:${id}`);
      await stage.sql.query(`INSERT INTO shop.users VALUES (${id}, 'x')`);
      await standby.cacheflow.caughtUp();
      expect(await stage.redis.get(`shop:users:${id}`), `row ${id}`).toBeNull();
    }
    expect(standby.cacheflow.status().counters.changes).toBe(0);
    expect(leader.cacheflow.status().counters.changes).toBe(50);
    expect([...leader.errors, ...standby.errors]).toEqual([]);
  });

  it.each<[string, (stage: Stage) => CacheflowOptions['redis']]>([
    ['a key prefix', ({ redisServer: { port } }) => ({ port, keyPrefix: 'own:' })],
    ['another database', ({ redisServer: { port } }) => `redis://127.0.0.1:${port}/4`],
    ['a client of the app', ({ redisServer }) => connectRedis(redisServer)],
  ])('asks over %s', async (_what, redisOf) => {
    const redis = redisOf(stage);
    if (redis instanceof Redis) onTestFinished(() => redis.disconnect());
    const [, standby] = await pair(stage, { redis });
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'x')");
    await standby.cacheflow.caughtUp();
    await standby.cacheflow.pause();
    expect(standby.cacheflow.status().group).toMatchObject({ paused: true, role: 'standby' });
    await standby.cacheflow.resume();
    await standby.cacheflow.caughtUp();
    expect(codesOf(standby)).toEqual([]);
  });

  it('may ask many times at once without a warning of Node.js', async () => {
    const warnings: string[] = [];
    const keep = ({ name }: Error): void => void warnings.push(name);
    process.on('warning', keep);
    onTestFinished(() => void process.off('warning', keep));
    const [leader, standby] = await pair(stage);
    await leader.cacheflow.pause();
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'x')");
    const all = Array.from({ length: 12 }, () => standby.cacheflow.caughtUp());
    // When this one gives up, those before it wait at the leader.
    await expect(standby.cacheflow.caughtUp({ timeoutMillis: 1_000 })).rejects.toMatchObject({
      code: 'CACHEFLOW_CAUGHT_UP_TIMEOUT',
    });
    await leader.cacheflow.resume();
    await Promise.all(all);
    expect(warnings).not.toContain('MaxListenersExceededWarning');
  });

  it('says so when no leader answers', async () => {
    const [leader, standby] = await pair(stage, { takeoverSeconds: 60 });
    await leader.cacheflow.pause();
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'x')");
    await expect(standby.cacheflow.caughtUp({ timeoutMillis: 1_500 })).rejects.toMatchObject({
      code: 'CACHEFLOW_CAUGHT_UP_TIMEOUT',
      message: expect.stringMatching(
        /^The leader of the group \(.+\) did not say within 1500 ms .*its state was paused/,
      ),
    });
    await leader.cacheflow.resume();
    await standby.cacheflow.caughtUp();
  });

  it('holds and releases the group, whoever leads it', async () => {
    const [leader, standby] = await pair(stage);
    await standby.cacheflow.pause();
    expect(leader.cacheflow.status()).toMatchObject({ state: 'paused', group: { paused: true } });
    expect(standby.cacheflow.status()).toMatchObject({ state: 'standby', group: { paused: true } });
    await stage.cache('shop:users:1');
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'x')");
    await leader.close();
    await waitFor(() => standby.cacheflow.status().group.role === 'leader', { message: 'the takeover' });
    const third = await stage.boot({ tables });
    await waitFor(() => third.cacheflow.status().group.paused, { message: 'the third to know' });
    expect(standby.cacheflow.status().state).toBe('paused');
    expect(await stage.redis.get('shop:users:1')).toBe('cached');
    await third.cacheflow.resume();
    expect(standby.cacheflow.status().group.paused).toBe(false);
    await third.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:users:1')).toBeNull();
  });

  it('reads, invalidates, and knows how fresh the cache is', async () => {
    const [, standby] = await pair(stage);
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'old')");
    await standby.cacheflow.caughtUp();
    const load = async (): Promise<unknown> => (await stage.sql.query('SELECT * FROM shop.users'))[0] ?? null;
    const key = standby.cacheflow.keyOf('shop.users', { id: 1 });
    expect(await standby.cacheflow.getOrLoad(key, load)).toEqual({ id: 1, name: 'old' });
    await stage.sql.query("UPDATE shop.users SET name = 'new'");
    await standby.cacheflow.caughtUp();
    expect(await standby.cacheflow.getOrLoad(key, load, { maxStalenessMillis: 60_000 })).toEqual({
      id: 1,
      name: 'new',
    });
    let loads = 0;
    const count = async (): Promise<unknown> => {
      loads++;
      return load();
    };
    // The leader's watermark, which it publishes twice in a second, tells that the cached value will do.
    await waitFor(async () => {
      const before = loads;
      await standby.cacheflow.getOrLoad(key, count, { maxStalenessMillis: 5_000 });
      return loads === before;
    });
    await standby.cacheflow.invalidate(key);
    expect(await stage.redis.get(key)).toBeNull();
    expect(codesOf(standby)).toEqual([]);
  });

  it('makes no key of the old form once the keys of a redefined table are gone', async () => {
    const moving = [{ db: 'shop', table: 'moving' }];
    const [leader, standby] = await pair(stage, { tables: moving });
    expect(standby.cacheflow.keyOf('shop.moving', { id: 1, code: 7 })).toBe('shop:moving:1');
    onTestFinished(() =>
      stage.sql
        .query('ALTER TABLE shop.moving CHANGE pk id INT, DROP PRIMARY KEY, ADD PRIMARY KEY (id)')
        .then(() => undefined),
    );
    await stage.sql.query(
      'ALTER TABLE shop.moving CHANGE id pk INT, DROP PRIMARY KEY, ADD PRIMARY KEY (code)',
    );
    await leader.cacheflow.caughtUp();
    await waitFor(() => standby.cacheflow.keyOf('shop.moving', { pk: 1, code: 7 }) === 'shop:moving:7', {
      timeoutMillis: 400,
    });
    expect(codesOf(standby)).toEqual([]);
  });

  it('makes no key of the old form either while Redis has no memory, and the old keys go', async () => {
    const moving = [{ db: 'shop', table: 'moving' }];
    const [leader, standby] = await pair(stage, { tables: moving });
    expect(standby.cacheflow.keyOf('shop.moving', { id: 1, code: 7 })).toBe('shop:moving:1');
    await stage.cache('shop:moving:1');
    onTestFinished(async () => {
      await stage.redis.config('SET', 'maxmemory', '0');
      await stage.sql.query(
        'ALTER TABLE shop.moving CHANGE pk id INT, DROP PRIMARY KEY, ADD PRIMARY KEY (id)',
      );
    });
    await stage.redis.config('SET', 'maxmemory', '1');
    await stage.sql.query(
      'ALTER TABLE shop.moving CHANGE id pk INT, DROP PRIMARY KEY, ADD PRIMARY KEY (code)',
    );
    await waitFor(async () => (await stage.redis.get('shop:moving:1')) === null, {
      message: 'the key to go',
      timeoutMillis: 4_000,
    });
    expect(standby.cacheflow.keyOf('shop.moving', { pk: 1, code: 7 })).toBe('shop:moving:7');
    expect(leader.cacheflow.status().state).toBe('streaming');
    await stage.redis.config('SET', 'maxmemory', '0');
  });

  it('of other options is told, and which they are', async () => {
    const leader = await stage.app({ tables: [...tables, { db: 'shop', table: 'moving', prefix: 'a:' }] });
    const standby = await stage.boot({
      tables: [...tables, { db: 'shop', table: 'moving', prefix: 'b:' }],
      cascades: 'warn',
    });
    await waitFor(() => codesOf(standby).includes('CACHEFLOW_GROUP_MISMATCH'), { message: 'the report' });
    const [error] = standby.errors;
    expect(error?.message).toContain('different options: cascades, tables shop.moving.');
    expect(error?.message).toContain(`pid ${process.pid}`);
    expect(codesOf(leader)).toEqual([]);
  });

  it('asks for all tables over one connection when one is redefined', async () => {
    const names = Array.from({ length: 12 }, (_, at) => `many.t${at}`);
    await stage.sql.query(
      `CREATE DATABASE many; ${names.map((name) => `CREATE TABLE ${name} (id INT PRIMARY KEY)`).join('; ')}`,
    );
    onTestFinished(() => stage.sql.query('DROP DATABASE many').then(() => undefined));
    const [leader, standby] = await pair(stage, { tables: [{ db: 'many', table: '*' }] });
    const before = await connections(stage);
    await stage.sql.query('ALTER TABLE many.t1 ADD COLUMN name VARCHAR(32)');
    // The leader goes on only once the standby has asked.
    await standby.cacheflow.caughtUp();
    expect((await connections(stage)) - before).toBeLessThan(4);
    expect([...leader.errors, ...standby.errors].map(({ code }) => code)).not.toContain(
      'CACHEFLOW_SOURCE_UNAVAILABLE',
    );
  });

  it('is refused with a store that cannot fence, with the reason', async () => {
    const saved = new Map<string, string>();
    const checkpoint: NonNullable<CacheflowOptions['checkpoint']> = {
      load: async (name) => Promise.resolve(JSON.parse(saved.get(name) ?? 'null') as null),
      save: async (name, each) => {
        saved.set(name, JSON.stringify(each));
        return Promise.resolve();
      },
    };
    const first = await stage.app({ tables, checkpoint });
    await expect(stage.boot({ tables, checkpoint })).rejects.toMatchObject({
      code: 'CACHEFLOW_CONFIGURATION',
      message: expect.stringMatching(
        /checkpoint: another process \(pid \d+ on .*\) runs with the same `name`/,
      ),
    });
    await first.close();
    const again = await stage.app({ tables, checkpoint });
    expect(again.cacheflow.status().group.role).toBe('leader');
  });

  it('may share a store that fences', async () => {
    let stored: string | undefined;
    const checkpoint: NonNullable<CacheflowOptions['checkpoint']> = {
      isFenced: true,
      load: async () => Promise.resolve(JSON.parse(stored ?? 'null') as null),
      save: async (_name, each) => {
        stored = JSON.stringify(each);
        return Promise.resolve();
      },
    };
    const [leader, standby] = await pair(stage, { checkpoint });
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'x')");
    await leader.cacheflow.caughtUp();
    await leader.close();
    await standby.cacheflow.caughtUp();
    await stage.sql.query("UPDATE shop.users SET name = 'y'");
    await standby.cacheflow.caughtUp();
    await standby.close();
    expect(JSON.parse(stored ?? '')).toMatchObject({ term: standby.cacheflow.status().group.term });
    expect(standby.events.map(({ action }) => action)).toEqual(['update']);
  });
});
