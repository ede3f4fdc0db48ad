import { beforeEach, expect, it } from 'vitest';
import type { CacheSerializer } from '../../../lib';
import { codesOf } from '../../support/app';
import { describeEachSql } from '../../support/each-sql';
import { HeldLoad } from '../../support/held-load';
import { waitFor } from '../../support/wait-for';
import { itOnOneServer } from '../../support/redis/on-one-server';

const schema = `CREATE DATABASE app;
  CREATE TABLE app.users (id INT PRIMARY KEY, name VARCHAR(50));`;
const tables = [{ db: 'app', table: 'users' }];

interface User {
  id: number;
  name: string;
}

describeEachSql('getOrLoad', { schema }, (stage) => {
  beforeEach(() => stage.sql.query("REPLACE INTO app.users VALUES (1, 'Ann'), (2, 'Bea'), (3, 'Cid')"));

  async function user(id: number): Promise<User | null> {
    return (await stage.sql.query<User>(`SELECT * FROM app.users WHERE id = ${id}`))[0] ?? null;
  }

  it('loads once, serves from the cache, and loads anew after a change', async () => {
    const { cacheflow } = await stage.app({ tables });
    const key = cacheflow.keyOf('app.users', { id: 1 });
    expect(key).toBe('app:users:1');
    const load = (): Promise<User | null> => user(1);
    expect(await cacheflow.getOrLoad(key, load)).toEqual({ id: 1, name: 'Ann' });
    expect(await cacheflow.getOrLoad(key, load)).toEqual({ id: 1, name: 'Ann' });
    expect(JSON.parse((await stage.redis.get(key)) ?? '')).toEqual({ id: 1, name: 'Ann' });
    await stage.sql.query("UPDATE app.users SET name = 'Amy' WHERE id = 1");
    await cacheflow.caughtUp();
    expect(await cacheflow.getOrLoad(key, load)).toEqual({ id: 1, name: 'Amy' });
    expect(cacheflow.status().cache).toEqual({
      hits: 1,
      misses: 2,
      loads: 2,
      fills: 2,
      refusedFills: 0,
      unleased: 0,
      bypassedSince: undefined,
    });
    expect(await stage.redis.keys('cf:*app:users*')).toEqual([]);
  });

  itOnOneServer('serves a hit with one GET, and asks Lua for a miss only', async () => {
    const { cacheflow } = await stage.app({ tables });
    await cacheflow.getOrLoad('app:users:1', () => user(1));
    await stage.redis.config('RESETSTAT');
    for (let read = 0; read < 20; read++) await cacheflow.getOrLoad('app:users:1', () => user(1));
    const calls = await commandCalls();
    expect(calls.get('get')).toBeGreaterThanOrEqual(20);
    await stage.redis.config('RESETSTAT');
    await cacheflow.getManyOrLoad(['app:users:1', 'app:users:1'], () => []);
    expect((await commandCalls()).get('mget') ?? 0).toBe(0);
    expect(cacheflow.status().cache).toMatchObject({ hits: 21, misses: 1, fills: 1 });
  });

  it('runs the loader once for 1,000 callers at the same time', async () => {
    const { cacheflow } = await stage.app({ tables });
    const held = new HeldLoad(() => user(1));
    // None of them waits for the lease of another.
    const reads = Array.from({ length: 1_000 }, () =>
      cacheflow.getOrLoad('app:users:1', held.load, { waitMillis: 0 }),
    );
    await waitFor(() => cacheflow.status().cache.misses === 1_000);
    held.release();
    const found = await Promise.all(reads);
    expect(held.calls).toBe(1);
    expect(found.every((each) => each?.name === 'Ann')).toBe(true);
    // Nobody shares an object that another caller may change.
    expect(new Set(found).size).toBe(1_000);
  });

  it('runs the loader once for many callers in several apps', async () => {
    const apps = await Promise.all(['a', 'b', 'c'].map((name) => stage.app({ name, tables })));
    const held = new HeldLoad(() => user(1));
    const reads = apps.flatMap(({ cacheflow }) =>
      Array.from({ length: 50 }, () => cacheflow.getOrLoad('app:users:1', held.load, { waitMillis: 30_000 })),
    );
    await waitFor(() => apps.every(({ cacheflow }) => cacheflow.status().cache.misses === 50));
    held.release();
    await Promise.all(reads);
    expect(held.calls).toBe(1);
  });

  it('gives the lease back when the loader fails, and passes its error on', async () => {
    const [first, second] = [
      await stage.app({ name: 'first', tables }),
      await stage.app({ name: 'second', tables }),
    ];
    const fails = (): Promise<User> => Promise.reject(new Error('the database is away'));
    const joined = Promise.allSettled(
      Array.from({ length: 3 }, () => first.cacheflow.getOrLoad('app:users:1', fails)),
    );
    expect((await joined).map(({ status }) => status)).toEqual(Array(3).fill('rejected'));
    await expect(
      first.cacheflow.getOrLoad('app:users:1', () => {
        throw new Error('at once');
      }),
    ).rejects.toThrow('at once');
    expect(await stage.redis.keys('cf:{app:*')).toEqual([]);
    // Without waiting for the end of the lease.
    expect(await second.cacheflow.getOrLoad('app:users:1', () => user(1))).toMatchObject({ name: 'Ann' });
    expect(second.cacheflow.status().cache.fills).toBe(1);
  });

  it('does not hang on a loader that never comes back', async () => {
    const { cacheflow } = await stage.app({ tables });
    void cacheflow.getOrLoad('app:users:1', () => new Promise<never>(() => undefined), { leaseMillis: 200 });
    await waitFor(() => cacheflow.status().cache.loads === 1);
    expect(await cacheflow.getOrLoad('app:users:1', () => user(1))).toMatchObject({ name: 'Ann' });
  });

  it('shortens times to live at random, and keeps nothing for ever but on demand', async () => {
    const { cacheflow } = await stage.app({ tables, cache: { ttlSeconds: 1_000, ttlJitter: 0.5 } });
    const keys = Array.from({ length: 50 }, (_, index) => `app:users:${index + 10}`);
    for (const key of keys) await cacheflow.getOrLoad(key, () => ({ id: 1 }));
    const ttls = await Promise.all(keys.map((key) => stage.redis.pttl(key)));
    expect(Math.max(...ttls)).toBeLessThanOrEqual(1_000_000);
    expect(Math.min(...ttls)).toBeGreaterThan(499_000);
    expect(Math.max(...ttls) - Math.min(...ttls)).toBeGreaterThan(50_000);
    await cacheflow.getOrLoad('app:users:1', () => user(1), { ttlSeconds: Infinity });
    expect(await stage.redis.ttl('app:users:1')).toBe(-1);
    await cacheflow.getOrLoad('app:users:2', () => user(2), { ttlSeconds: 0.5, ttlJitter: 0 });
    await waitFor(async () => (await stage.redis.exists('app:users:2')) === 0);
    await cacheflow.getOrLoad('app:users:9', () => null, { negativeTtlSeconds: 0 });
    expect(await stage.redis.exists('app:users:9')).toBe(0);
    expect(await stage.redis.exists('cf:{app:users:9}')).toBe(0);
  });

  it('gives what a hit would give, also for dates, binary columns and undefined', async () => {
    const { cacheflow } = await stage.app({ tables });
    const value = { at: new Date(0), token: Buffer.from([255]), none: undefined };
    for (let read = 0; read < 2; read++) {
      expect(await cacheflow.getOrLoad<unknown>('app:users:1', () => value)).toEqual({
        at: '1970-01-01T00:00:00.000Z',
        token: '/w==',
      });
      expect(await cacheflow.getOrLoad<unknown>('app:users:2', () => undefined)).toBeNull();
    }
    expect(cacheflow.status().cache.hits).toBe(2);
  });

  it('uses the serializer for reads and for write-through', async () => {
    const serializer: CacheSerializer = {
      serialize: (value) => `v1:${JSON.stringify(value)}`,
      deserialize: (text) => {
        if (!text.startsWith('v1:')) throw new SyntaxError('another version');
        return JSON.parse(text.slice(3)) as unknown;
      },
    };
    const { cacheflow } = await stage.app({
      tables: [{ db: 'app', table: 'users', strategy: 'write-through' }],
      cache: { serializer },
    });
    await stage.sql.query("REPLACE INTO app.users VALUES (2, 'Bob')");
    await cacheflow.caughtUp();
    expect(await stage.redis.get('app:users:2')).toBe('v1:{"id":2,"name":"Bob"}');
    const neverLoads = (): never => {
      throw new Error('it is cached');
    };
    expect(await cacheflow.getOrLoad('app:users:2', neverLoads)).toEqual({ id: 2, name: 'Bob' });
    // Written by an older version of the app.
    await stage.redis.set('app:users:1', '{"id":1,"name":"Old"}');
    expect(await cacheflow.getOrLoad('app:users:1', () => user(1))).toEqual({ id: 1, name: 'Ann' });
    expect(await stage.redis.get('app:users:1')).toBe('v1:{"id":1,"name":"Ann"}');
  });

  it('answers with what cannot be cached, and says so once', async () => {
    const app = await stage.app({ tables });
    const value = { id: 1n };
    for (let read = 0; read < 3; read++) {
      expect(await app.cacheflow.getOrLoad<unknown>('app:users:1', () => value)).toBe(value);
    }
    expect(codesOf(app)).toEqual(['CACHEFLOW_VALUE_UNFIT']);
    expect(app.errors).toHaveLength(1);
    expect(await stage.redis.exists('app:users:1')).toBe(0);
  });

  it('answers where Redis refuses a key, and says so once', async () => {
    const app = await stage.app({ tables });
    await stage.redis.lpush('app:users:1', 'a list');
    for (let read = 0; read < 3; read++) {
      expect(await app.cacheflow.getOrLoad('app:users:1', () => user(1))).toMatchObject({ name: 'Ann' });
    }
    expect(codesOf(app)).toEqual(['CACHEFLOW_CACHE_BYPASSED']);
    expect(app.errors).toHaveLength(1);
    expect(app.errors[0]?.message).toContain('WRONGTYPE');
    expect(app.cacheflow.status().cache.bypassedSince).toBeUndefined();
  });

  it('refuses keys and options that make no sense', async () => {
    const { cacheflow } = await stage.app({ tables });
    const load = (): number => 1;
    for (const key of ['', 'cf:{a}', 'cacheflow:default:checkpoint', undefined as unknown as string]) {
      await expect(cacheflow.getOrLoad(key, load)).rejects.toMatchObject({ code: 'CACHEFLOW_READ_OPTIONS' });
    }
    await expect(cacheflow.getOrLoad('a', load, { ttlSeconds: -1 })).rejects.toThrow('`ttlSeconds`');
    await expect(cacheflow.getManyOrLoad(['a', 'b'], () => [1])).rejects.toThrow('1 values for 2 keys');
  });

  itOnOneServer('reads many keys in one round trip, and loads what is missing in one call', async () => {
    const { cacheflow } = await stage.app({ tables });
    await cacheflow.getOrLoad('app:users:2', () => user(2));
    const calls: unknown[] = [];
    const keys = [1, 2, 3, 9, 1].map((id) => cacheflow.keyOf('app.users', { id }));
    const read = (): Promise<(User | null)[]> =>
      cacheflow.getManyOrLoad(keys, async (missing, indexes) => {
        calls.push([missing, indexes]);
        return Promise.all(missing.map((key) => user(Number(key.split(':')[2]))));
      });
    expect((await read()).map((each) => each?.name)).toEqual(['Ann', 'Bea', 'Cid', undefined, 'Ann']);
    expect(calls).toEqual([
      [
        ['app:users:1', 'app:users:3', 'app:users:9'],
        [0, 2, 3],
      ],
    ]);
    await stage.redis.config('RESETSTAT');
    expect((await read()).map((each) => each?.name)).toEqual(['Ann', 'Bea', 'Cid', undefined, 'Ann']);
    expect((await commandCalls()).get('mget')).toBe(1);
    expect(calls).toHaveLength(1);
    await stage.sql.query("UPDATE app.users SET name = 'Amy' WHERE id = 1");
    await cacheflow.caughtUp();
    expect((await read()).map((each) => each?.name)).toEqual(['Amy', 'Bea', 'Cid', undefined, 'Amy']);
    expect(calls.slice(1)).toEqual([[['app:users:1'], [0]]]);
    expect(await cacheflow.getManyOrLoad([], () => [])).toEqual([]);
  });

  it('waits for the keys of a list that others are loading, and not for the rest', async () => {
    const [first, second] = [
      await stage.app({ name: 'first', tables }),
      await stage.app({ name: 'second', tables }),
    ];
    const held = new HeldLoad(() => user(1));
    const read = first.cacheflow.getOrLoad('app:users:1', held.load);
    await held.hasRead;
    const loaded: string[] = [];
    const many = second.cacheflow.getManyOrLoad(
      ['app:users:1', 'app:users:2'],
      async (missing) => {
        loaded.push(...missing);
        return Promise.all(missing.map((key) => user(Number(key.split(':')[2]))));
      },
      { waitMillis: 30_000 },
    );
    await waitFor(async () => (await stage.redis.exists('app:users:2')) === 1);
    expect(loaded).toEqual(['app:users:2']);
    held.release();
    await read;
    expect((await many).map((each) => each?.name)).toEqual(['Ann', 'Bea']);
    expect(loaded).toEqual(['app:users:2']);
  });

  async function commandCalls(): Promise<Map<string, number>> {
    const lines = (await stage.redis.info('commandstats')).split('\n');
    return new Map(
      lines.flatMap((line) => {
        const [, command = '', calls] = /^cmdstat_(\w+):calls=(\d+)/.exec(line) ?? [];
        return command ? [[command, Number(calls)]] : [];
      }),
    );
  }
});
