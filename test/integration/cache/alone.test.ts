import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { CacheflowConfig } from '../../../lib/config/cacheflow.config';
import { CacheReader } from '../../../lib/cache/cache-reader';
import { Freshness } from '../../../lib/cache/freshness';
import { Leases } from '../../../lib/cache/leases';
import type { CacheOptions } from '../../../lib';
import { tag } from '../../../lib';
import type { ErrorReporter } from '../../../lib/errors/error-reporter';
import { forgetKeys } from '../../../lib/redis/scripts/forget-keys';
import type { RedisConnection } from '../../../lib/redis/redis-connection';
import type { RewindGuard } from '../../../lib/redis/rewind-guard';
import { writeKeys } from '../../../lib/redis/redis-writer';
import { HeldLoad } from '../../support/held-load';
import { startRedis } from '../../support/servers';
import type { RedisServer } from '../../support/servers';
import { HoldingProxy } from '../../support/holding-proxy';
import { resolveCache } from '../../../lib/config/resolve-cache';
import type { OptionCheck } from '../../../lib/config/option-check';

// Readers alone, on a real Redis: what a tail would do is done by hand.

describe('a reader', () => {
  let server: RedisServer;
  let redis: Redis;
  const clients: Redis[] = [];
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis({ port: server.port });
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect();
    await redis.flushall();
  });
  afterAll(async () => {
    redis.disconnect();
    await server.dispose();
  });

  function readerOn(
    port = server.port,
    cache: CacheOptions = {},
  ): { reader: CacheReader; client: Redis; problems: string[] } {
    const client = new Redis({ port, maxRetriesPerRequest: null });
    client.on('error', () => undefined);
    clients.push(client);
    return { client, ...readerWith(client, cache) };
  }

  function readerWith(client: Redis, cache: CacheOptions = {}): { reader: CacheReader; problems: string[] } {
    const problems: string[] = [];
    const errors = { report: (error: Error) => problems.push(error.message) } as unknown as ErrorReporter;
    const connection = { client, isResolved: true } as unknown as RedisConnection;
    const config = { cache: resolveCache({} as OptionCheck, undefined) };
    config.cache = { ...config.cache, ...cache };
    const reader = new CacheReader(
      config as unknown as CacheflowConfig,
      connection,
      new Freshness('default', connection, { counter: undefined, count: -1 } as RewindGuard),
      errors,
    );
    return { reader, problems };
  }

  it('is not given what was loaded before its tag was invalidated', async () => {
    const { reader, client } = readerOn();
    let row = 'old';
    const read = async (): Promise<string> => row;
    const dependsOn = [tag('org', 7)];
    const held = new HeldLoad(read);
    const first = reader.getOrLoad('org:7:turnover', held.load, { dependsOn });
    await held.hasRead;
    row = 'new';
    await forgetKeys(client, dependsOn);
    // Begins after the invalidation was acknowledged.
    const second = reader.getOrLoad('org:7:turnover', read, { dependsOn });
    await sleep(50);
    held.release();
    await first;
    expect(await second).toBe('new');
  });

  it('with tags is not given what one without tags loaded before the invalidation', async () => {
    const { reader, client } = readerOn();
    let row = 'old';
    const read = async (): Promise<string> => row;
    const held = new HeldLoad(read);
    const first = reader.getOrLoad('k', held.load);
    await held.hasRead;
    row = 'new';
    await forgetKeys(client, [tag('org', 7)]);
    const second = reader.getOrLoad('k', read, { dependsOn: [tag('org', 7)] });
    await sleep(50);
    held.release();
    await first;
    expect(await second).toBe('new');
  });

  it('gets nothing from a flight whose answers came together with its own', async () => {
    const proxy = await HoldingProxy.start(server.port);
    try {
      const { reader } = readerOn(proxy.port);
      // Redis knows the scripts from now on.
      await reader.getOrLoad('warm', async () => 'v');
      let row = 'old';
      const read = async (): Promise<string> => row;
      const held = new HeldLoad(read);
      const first = reader.getOrLoad('k', held.load);
      await held.hasRead;
      // The fill is carried out, its answer is on the way.
      proxy.hold();
      held.release();
      await until(async () => (await redis.exists('k')) === 1);
      row = 'new';
      await forgetKeys(redis, ['k']);
      const second = reader.getOrLoad('k', read);
      await until(async () =>
        proxy.requests.some((text) => text.includes('get') && text.includes('$1\r\nk')),
      );
      await sleep(50);
      proxy.release();
      await first;
      expect(await second).toBe('new');
    } finally {
      await proxy.dispose();
    }
  });

  it('gets nothing that another one found before the invalidation', async () => {
    const proxy = await HoldingProxy.start(server.port);
    try {
      const { reader } = readerOn(proxy.port);
      const { reader: other } = readerOn();
      // Redis knows the scripts from now on.
      await reader.getOrLoad('warm', async () => 'v');
      let row = 'old';
      const read = async (): Promise<string> => row;
      // The other process has the lease, and fills while this one waits for its answer.
      const held = new HeldLoad(read);
      const filling = other.getOrLoad('k', held.load);
      await held.hasRead;
      const first = reader.getOrLoad('k', read);
      await until(async () => reader.status.misses === 2);
      held.release();
      proxy.hold();
      await filling;
      await sleep(100);
      row = 'new';
      await forgetKeys(redis, ['k']);
      const second = reader.getOrLoad('k', read);
      await sleep(50);
      proxy.release();
      await first;
      expect(await second).toBe('new');
    } finally {
      await proxy.dispose();
    }
  });

  it('does not wait for itself', async () => {
    const { reader } = readerOn();
    const began = performance.now();
    const inner = async (): Promise<string> => reader.getOrLoad('k', async () => 'v');
    expect(await reader.getOrLoad('k', inner)).toBe('v');
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  it('does not take a watermark of the future for a fresh one', async () => {
    const { reader } = readerOn();
    await redis.set('k', '"old"');
    // Redis' clock was an hour ahead when it was published (a failover, a step of NTP).
    await redis.set('cacheflow:default:watermark', JSON.stringify({ at: Date.now() + 3_600_000 }));
    expect(await reader.getOrLoad('k', async () => 'new', { maxStalenessMillis: 100 })).toBe('new');
  });

  it('is not without Redis because the event loop was busy', async () => {
    const { reader } = readerOn();
    await redis.set('k', '"cached"');
    await reader.getOrLoad('k', async () => 'loaded');
    const read = reader.getOrLoad('k', async () => 'loaded');
    const end = performance.now() + 700;
    while (performance.now() < end);
    expect(await read).toBe('cached');
    expect(reader.status.bypassedSince).toBeUndefined();
  });

  it('is not without Redis because another one asked for very many keys', async () => {
    const { reader, problems } = readerOn(server.port, { timeoutMillis: 10_000 });
    await redis.set('k', '"cached"');
    const keys = Array.from({ length: 150_000 }, (_, index) => `key:${index}`);
    await reader.getManyOrLoad(keys, (missing) => missing.map(() => 1));
    expect(problems).toEqual([]);
    expect(reader.status.bypassedSince).toBeUndefined();
  });

  it('leaves no lease behind when one key of a call is of another type', async () => {
    const { reader } = readerOn();
    await redis.hset('wrong', 'field', 'value');
    await reader.getManyOrLoad(['a', 'wrong', 'b'], (missing) => missing.map(() => 'v'));
    expect(await redis.keys('cf:*')).toEqual([]);
    const began = performance.now();
    await readerOn().reader.getOrLoad('a', async () => 'v');
    expect(performance.now() - began).toBeLessThan(300);
    expect(await redis.get('a')).toBe('"v"');
  });

  it('leaves the version of a key that never expires', async () => {
    const { reader, client } = readerOn();
    const version = `00000001.0000000001.${'9'.padStart(15, '0')}.0000000000`;
    const older = `00000001.0000000001.${'5'.padStart(15, '0')}.0000000000`;
    await writeKeys(client, { versioned: [{ key: 'k', version, value: '"v9"', ttlSeconds: undefined }] });
    await reader.getOrLoad('k', async () => 'v9', { dependsOn: [tag('a')], ttlSeconds: Infinity });
    await forgetKeys(client, ['k']);
    await sleep(20);
    // A second tail that lags.
    await writeKeys(client, {
      versioned: [{ key: 'k', version: older, value: '"v5"', ttlSeconds: undefined }],
    });
    expect(await redis.get('k')).toBeNull();
  });

  it('the same by a lease that is given back', async () => {
    const { reader, client } = readerOn();
    const version = `00000001.0000000001.${'9'.padStart(15, '0')}.0000000000`;
    await writeKeys(client, { versioned: [{ key: 'k', version, value: '"v9"', ttlSeconds: undefined }] });
    await reader.getOrLoad('k', async () => 'v9', { dependsOn: [tag('a')], ttlSeconds: Infinity });
    await forgetKeys(client, [tag('a')]);
    await reader
      .getOrLoad(
        'k',
        async () => {
          throw new Error('no');
        },
        { dependsOn: [tag('a')] },
      )
      .catch(() => undefined);
    const left = await redis.pttl('cf:{k}');
    expect(left === -1 || left > 3_600_000).toBe(true);
  });

  it('ends a lease when a change of another epoch removes the key', async () => {
    const { client } = readerOn();
    const leases = new Leases(client);
    const versionOf = (epoch: number): string => `0000000${epoch}.0000000001.000000000000009.0000000000`;
    await writeKeys(client, {
      versioned: [{ key: 'k', version: versionOf(2), value: undefined, ttlSeconds: undefined }],
    });
    const token = leases.newToken();
    await leases.take([{ key: 'k', unfit: { kind: 'none' } }], token, 10_000);
    await writeKeys(client, {
      versioned: [{ key: 'k', version: versionOf(1), value: undefined, ttlSeconds: undefined }],
    });
    const kept = await leases.use(
      [{ key: 'k', fill: { value: 'old', ttlMillis: undefined }, generations: undefined }],
      token,
    );
    expect(kept.get('k')).toBe(false);
  });

  it('has its own loader, whatever that of a list does with other keys', async () => {
    const { reader } = readerOn();
    const held = new HeldLoad(async () => undefined);
    const bad = reader.getManyOrLoad(['good', 'bad'], async () => {
      await held.load();
      throw new Error('bad');
    });
    bad.catch(() => undefined);
    await held.hasRead;
    const good = reader.getOrLoad('good', async () => 'v');
    good.catch(() => undefined);
    await sleep(50);
    held.release();
    await expect(bad).rejects.toThrow('bad');
    expect(await good).toBe('v');
  });

  it('leaves no timer behind', async () => {
    const { reader } = readerOn();
    const timers = vi.spyOn(globalThis, 'setTimeout');
    void reader.getOrLoad('k', () => new Promise(() => undefined), { leaseMillis: 600_000 });
    await sleep(100);
    const index = timers.mock.calls.findIndex(([, millis]) => millis === 600_000);
    const timer = timers.mock.results[index]?.value as NodeJS.Timeout;
    timers.mockRestore();
    const isHolding = timer.hasRef();
    clearTimeout(timer);
    expect(isHolding).toBe(false);
  });

  it('is answered, and so is everybody else, when Redis hangs up on a value', async () => {
    const small = await startRedis({
      args: ['--client-query-buffer-limit', '1mb', '--proto-max-bulk-len', '1mb'],
    });
    try {
      const { reader, client } = readerOn(small.port);
      const big = 'x'.repeat(8 * 1024 * 1024);
      expect(await reader.getOrLoad('big', async () => big)).toBe(big);
      await sleep(2_000);
      const answered = await Promise.race([client.set('other', 'v'), sleep(5_000).then(() => 'stuck')]);
      expect(answered).toBe('OK');
    } finally {
      await small.dispose();
    }
  });

  it('is answered, and so is everybody else, when Redis hangs up on many values', async () => {
    const small = await startRedis({ args: ['--client-query-buffer-limit', '1mb'] });
    try {
      const { reader, client } = readerOn(small.port);
      const big = 'x'.repeat(300_000);
      const keys = Array.from({ length: 40 }, (_, index) => `big:${index}`);
      await reader.getManyOrLoad(keys, (missing) => missing.map(() => big));
      await sleep(2_000);
      const answered = await Promise.race([client.set('other', 'v'), sleep(5_000).then(() => 'stuck')]);
      expect(answered).toBe('OK');
    } finally {
      await small.dispose();
    }
  });

  it('leaves no lease behind that Redis gave too late', async () => {
    const { reader } = readerOn(server.port, { timeoutMillis: 100 });
    const proxy = await HoldingProxy.start(server.port);
    try {
      const { reader: stalled } = readerOn(proxy.port, { timeoutMillis: 100 });
      await stalled.getOrLoad('other', async () => 'v');
      // The GET is answered, the lease is given, and its answer is late.
      proxy.holdFrom('evalsha');
      const loads = stalled.getOrLoad('k', async () => 'v');
      await loads;
      proxy.release();
      await sleep(50);
      const began = performance.now();
      await reader.getOrLoad('k', async () => 'v');
      expect(performance.now() - began).toBeLessThan(300);
      expect(await redis.get('k')).toBe('"v"');
    } finally {
      await proxy.dispose();
    }
  });

  it('is served a tagged value whose tags are given in another order', async () => {
    const { reader } = readerOn();
    const [a, b] = [tag('a'), tag('b')];
    await reader.getOrLoad('warm', async () => 1, { dependsOn: [a] });
    await reader.getOrLoad('k', async () => 1, { dependsOn: [a, b] });
    await reader.getOrLoad('k', async () => 1, { dependsOn: [b, a] });
    expect(reader.status.loads).toBe(2);
  });

  it('a time to live that Redis does not take', async () => {
    const { reader, problems } = readerOn();
    await reader.getOrLoad('k', async () => 1, { ttlSeconds: Number.MAX_SAFE_INTEGER });
    expect(problems).toEqual([]);
    expect(await redis.get('k')).toBe('1');
  });

  it('a serializer that gives the same text for what is not the same, and one that throws once', async () => {
    let turns = 0;
    const serializer = {
      serialize: (value: unknown) => {
        if (++turns % 2 === 1) throw new Error('no');
        return JSON.stringify(value);
      },
      deserialize: (text: string) => {
        if (turns % 3 === 1) throw new Error('no');
        return JSON.parse(text) as unknown;
      },
    };
    const { reader } = readerOn(server.port, { serializer });
    for (let turn = 0; turn < 10; turn++) expect(await reader.getOrLoad('k', async () => 7)).toBe(7);
  });

  it.each([
    { maxRetriesPerRequest: 0 },
    { enableOfflineQueue: false },
    { enableAutoPipelining: true },
    { stringNumbers: true },
    { keyPrefix: 'p{x}:' },
    { keyPrefix: 'cf:' },
    { lazyConnect: true },
  ])('works with a client of %o, and without Redis', async (options) => {
    const own = await startRedis();
    const client = new Redis({ port: own.port, ...options });
    client.on('error', () => undefined);
    try {
      if (!('lazyConnect' in options)) await until(async () => client.status === 'ready');
      const { reader } = readerWith(client);
      const dependsOn = [tag('t')];
      let row = 0;
      const read = async (): Promise<number> => ++row;
      expect(await reader.getOrLoad('k', read, { dependsOn })).toBe(1);
      expect(await reader.getOrLoad('k', read, { dependsOn })).toBe(1);
      await forgetKeys(client, dependsOn);
      expect(await reader.getOrLoad('k', read, { dependsOn })).toBe(2);
      await writeKeys(client, { removals: ['k', ...dependsOn] });
      expect(await reader.getManyOrLoad(['k', 'l', 'k'], (missing) => missing.map(() => ++row))).toEqual([
        3, 4, 3,
      ]);
      await own.kill();
      const began = performance.now();
      for (let turn = 0; turn < 10; turn++) expect(await reader.getOrLoad('k', read)).toBeGreaterThan(2);
      expect(performance.now() - began).toBeLessThan(2_500);
    } finally {
      client.disconnect();
      await own.dispose();
    }
  });

  it('holds against random readers, invalidations and tags', async () => {
    const seeds = Number(process.env['ADV_SEEDS'] ?? 20);
    const faults: string[] = [];
    for (let seed = 1; seed <= seeds; seed++) {
      const random = randomOf(seed);
      const readers = [readerOn(), readerOn()].map(({ reader }) => reader);
      const keys = ['a', 'b', '{c}d', 'e~#*\n'];
      const tags = [tag('t', 1), tag('t', 2)];
      const rows = new Map(keys.map((key) => [key, 0]));
      // What has to be seen by who begins from now on: by key, or only by readers that name the tag.
      const known = new Map(keys.map((key) => [key, 0]));
      const knownByTag = new Map<string, number>();
      let version = 0;
      const slow = async (): Promise<void> => {
        if (random() < 0.7) await sleep(random() * 6);
      };
      const load = async (key: string): Promise<number> => {
        await slow();
        const value = rows.get(key) ?? 0;
        await slow();
        if (random() < 0.05) throw new Error('loader');
        return value;
      };
      const writer = async (): Promise<void> => {
        for (let turn = 0; turn < 60; turn++) {
          const key = keys[Math.floor(random() * keys.length)] as string;
          const value = ++version;
          rows.set(key, value);
          await slow();
          const kind = random();
          if (kind < 0.4) {
            await (kind < 0.2 ? forgetKeys(redis, [key]) : writeKeys(redis, { removals: [key] }));
            known.set(key, Math.max(value, known.get(key) ?? 0));
          } else {
            const one = tags[Math.floor(random() * 2)] as string;
            await (kind < 0.7 ? forgetKeys(redis, [one]) : writeKeys(redis, { removals: [one] }));
            const name = `${key}/${one}`;
            knownByTag.set(name, Math.max(value, knownByTag.get(name) ?? 0));
          }
          await slow();
        }
      };
      const readOnce = async (): Promise<void> => {
        const reader = readers[Math.floor(random() * 2)] as CacheReader;
        const depends =
          random() < 0.6
            ? random() < 0.5
              ? tags
              : [tags[Math.floor(random() * 2)] as (typeof tags)[0]]
            : [];
        const least = (key: string): number =>
          Math.max(known.get(key) ?? 0, ...depends.map((one) => knownByTag.get(`${key}/${one}`) ?? 0));
        const options = {
          ...(depends.length > 0 ? { dependsOn: depends } : {}),
          ttlSeconds: random() < 0.3 ? Infinity : 5,
          leaseMillis: random() < 0.1 ? 3 : 10_000,
          waitMillis: 20,
        };
        if (random() < 0.3) {
          const wanted = [...keys, 'a'];
          const leasts = wanted.map(least);
          const got = await reader
            .getManyOrLoad(wanted, (missing) => Promise.all(missing.map(load)), options)
            .catch(() => undefined);
          got?.forEach((value, index) => {
            if ((value ?? -1) < (leasts[index] ?? 0))
              faults.push(
                `seed ${seed} many ${wanted[index]} ${depends} got ${value} wants ${leasts[index]}`,
              );
          });
          return;
        }
        const key = keys[Math.floor(random() * keys.length)] as string;
        const wants = least(key);
        const value = await reader.getOrLoad(key, () => load(key), options).catch(() => undefined);
        if (value !== undefined && value < wants)
          faults.push(`seed ${seed} ${key} ${depends} got ${value} wants ${wants}`);
      };
      const reads = async (): Promise<void> => {
        for (let turn = 0; turn < 80; turn++) {
          await readOnce();
          if (random() < 0.5) await slow();
        }
      };
      await Promise.all([writer(), writer(), ...Array.from({ length: 12 }, reads)]);
      await redis.flushall();
      for (const client of clients.splice(0)) client.disconnect();
    }
    expect(faults).toEqual([]);
  }, 120_000);
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (await condition()) return;
    await sleep(5);
  }
  throw new Error('in vain');
}

function randomOf(seed: number): () => number {
  let state = seed * 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}
