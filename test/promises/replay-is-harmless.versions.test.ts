import { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Checkpoint, CheckpointStore, TableOptions } from '../../lib';
import { StrategyService } from '../../lib';
import { ErrorReporter } from '../../lib/errors/error-reporter';
import { CacheWriter } from '../../lib/redis/cache-writer';
import { claimEpoch } from '../../lib/redis/scripts/epoch';
import { flushPatterns } from '../../lib/redis/key-flush';
import type { RedisClient } from '../../lib/redis/redis-client';
import type { RedisConnection } from '../../lib/redis/redis-connection';
import { RedisHold } from '../../lib/redis/redis-hold';
import { RewindGuard } from '../../lib/redis/rewind-guard';
import { Versions } from '../../lib/redis/version';
import type { VersionedWrite } from '../../lib/redis/scripts/versioned-write';
import { RECORD_SECONDS } from '../../lib/redis/scripts/record';
import { startApp } from '../support/app';
import type { Stage } from '../support/each-sql';
import { connectRedis, describeEachSql } from '../support/each-sql';
import type { RedisCluster, RedisServer } from '../support/servers';
import { startMariadb, startRedis, startRedisCluster } from '../support/servers';
import { waitFor } from '../support/wait-for';

// Promises 2, 3 and 5: whatever writes a key, and in whatever order, the newest change decides what stands there.

const never = new AbortController().signal;

function writerOn(client: RedisClient): CacheWriter {
  const connection = { client } as RedisConnection;
  const gate = new RedisHold(connection, new ErrorReporter('test'));
  return new CacheWriter(connection, gate, new RewindGuard('test', connection));
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let at = result.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [result[at], result[other]] = [result[other] as T, result[at] as T];
  }
  return result;
}

const at = (offset: number, file = 'binlog.000001', epoch = 1): string =>
  new Versions(epoch).of({ file, offset, row: 0 });
const set = (key: string, version: string, value: string, ttlSeconds?: number): VersionedWrite => ({
  key,
  version,
  value,
  ttlSeconds,
});
const bury = (key: string, version: string): VersionedWrite => ({
  key,
  version,
  value: undefined,
  ttlSeconds: undefined,
});

describe('a versioned write', () => {
  let server: RedisServer;
  let redis: Redis;
  beforeAll(async () => {
    server = await startRedis();
    redis = connectRedis(server);
  });
  afterEach(async () => {
    await redis.config('SET', 'maxmemory', '0');
    await redis.flushall();
  });
  afterAll(async () => {
    redis?.disconnect();
    await server?.dispose();
  });

  /** Writes one after the other; resolves with what Redis refused. */
  async function write(...writes: VersionedWrite[]): Promise<string[]> {
    const refusals: string[] = [];
    for (const each of writes) {
      for (const { message } of (await writerOn(redis).round({ versioned: [each] }, never)).values())
        refusals.push(message);
    }
    return refusals;
  }

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'leaves the newest of each key, in whatever order and how often it comes (seed %i)',
    async (seed) => {
      const random = randomFrom(seed);
      const below = (end: number): number => Math.floor(random() * end);
      const newest = new Map<string, VersionedWrite>();
      const writes = Array.from({ length: 400 }, (_, n) => {
        const key = `k${below(30)}`;
        const file = `binlog.${String(999_998 + below(4))}`;
        // The row makes each version one of its kind.
        const version = new Versions(1).of({ file, offset: 4 + below(2_000), row: n });
        const action = random();
        const made =
          action < 0.3 ? bury(key, version) : set(key, version, `v${n}`, action < 0.6 ? 600 : undefined);
        if ((newest.get(key)?.version ?? '') < version) newest.set(key, made);
        return made;
      });
      const other = redis.duplicate();
      onTestFinished(() => other.disconnect());
      // Two tails, each with every write, and some of them twice.
      await Promise.all(
        [redis, other].map(async (client) => {
          const writer = writerOn(client);
          const order = shuffled([...writes, ...shuffled(writes, random).slice(0, 80)], random);
          while (order.length > 0) await writer.round({ versioned: order.splice(0, 1 + below(20)) }, never);
        }),
      );
      for (const [key, { value, ttlSeconds }] of newest) {
        expect(await redis.get(key), key).toBe(value ?? null);
        if (value !== undefined) expect((await redis.ttl(key)) > 0, key).toBe(ttlSeconds !== undefined);
      }
    },
  );

  it('finds the tombstone of a deletion that was newer', async () => {
    await write(set('k', at(10), 'old'), bury('k', at(20)), set('k', at(15), 'older'));
    expect(await redis.get('k')).toBeNull();
    await write(set('k', at(30), 'new'));
    expect(await redis.get('k')).toBe('new');
  });

  it('replaces a value that was put there without a version', async () => {
    await redis.set('k', 'from elsewhere');
    await write(set('k', at(10), 'new'));
    expect(await redis.get('k')).toBe('new');
  });

  it('of a file beyond 999999 is newer than one of 999999', async () => {
    await write(set('k', at(4, 'binlog.1000000'), 'new'), set('k', at(900, 'binlog.999999'), 'old'));
    expect(await redis.get('k')).toBe('new');
  });

  it('of a later epoch wins over any place of an earlier one, which removes the key when it comes late', async () => {
    const old = at(900_000, 'binlog.000777', 1);
    await write(set('k', old, 'old'), set('k', at(4, 'binlog.000001', 2), 'new'));
    expect(await redis.get('k')).toBe('new');
    // Which of two servers is right nobody can tell while two tails follow one each: no value is always right.
    await write(set('k', at(900_001, 'binlog.000777', 1), 'late'));
    expect(await redis.get('k')).toBeNull();
    await write(set('k', at(3, 'binlog.000001', 2), 'older of the same epoch'));
    expect(await redis.get('k')).toBeNull();
    await write(set('k', at(5, 'binlog.000001', 2), 'newer'));
    expect(await redis.get('k')).toBe('newer');
  });

  it('leaves a record that outlives the value and any retry, and goes by itself', async () => {
    await write(
      set('short', at(1), 'v', 60),
      set('long', at(1), 'v', 10 * 24 * 3600),
      set('ever', at(1), 'v'),
      bury('gone', at(1)),
    );
    const ttls = await Promise.all(['short', 'long', 'ever', 'gone'].map((key) => redis.ttl(`cf:{${key}}`)));
    const expected = [RECORD_SECONDS, 20 * 24 * 3600, RECORD_SECONDS, RECORD_SECONDS];
    for (const [index, seconds] of expected.entries()) {
      expect(ttls[index]).toBeGreaterThan(seconds - 60);
      expect(ttls[index]).toBeLessThanOrEqual(seconds);
    }
    expect([await redis.ttl('short'), await redis.ttl('ever')]).toEqual([expect.closeTo(60, -1), -1]);
  });

  it('goes through after Redis has forgotten its scripts, and is counted after it', async () => {
    await write(set('k', at(1), 'a'));
    await redis.script('FLUSH');
    await writerOn(redis).round({ versioned: [set('k', at(2), 'b')] }, never);
    expect(await redis.get('k')).toBe('b');
    await server.kill();
    await server.start();
    expect(await write(set('k', at(3), 'c'))).toEqual([]);
    expect(await redis.get('k')).toBe('c');

    // The count is the last of all, also when the script has to be sent again.
    await redis.script('FLUSH');
    const monitor = await redis.monitor();
    monitor.on('error', () => undefined);
    onTestFinished(() => monitor.disconnect());
    const seen: string[] = [];
    monitor.on('monitor', (_time: string, args: string[]) =>
      seen.push(`${args[0]?.toLowerCase()} ${args[1]}`),
    );
    const connection = { client: redis } as unknown as RedisConnection;
    const guard = new RewindGuard('test', connection);
    await guard.begin();
    const writer = new CacheWriter(connection, new RedisHold(connection, new ErrorReporter('test')), guard);
    await writer.round({ versioned: [set('k', at(4), 'd')] }, never);
    await redis.echo('end');
    await waitFor(() => seen.includes('echo end'), { message: 'the monitor' });
    expect(seen.findLastIndex((line) => line.startsWith('incr'))).toBeGreaterThan(seen.indexOf('set k'));
  });

  it('that Redis has no memory for removes the key at once, and an older value stays out', async () => {
    await write(set('k', at(10), 'old'), set('other', at(10), 'old'));
    await redis.config('SET', 'maxmemory', '1');
    const refusals = await writerOn(redis).round(
      { versioned: [set('k', at(20), 'new'), bury('other', at(20))] },
      never,
    );
    expect([...refusals]).toEqual([['k', { message: expect.stringMatching(/^OOM/), removed: true }]]);
    expect(await redis.mget('k', 'other')).toEqual([null, null]);
    await redis.config('SET', 'maxmemory', '0');
    await write({ ...set('k', at(15), 'older'), needsProof: true });
    expect(await redis.get('k')).toBeNull();
  });

  it('that needs a proof removes the key where there is none', async () => {
    await redis.set('k', 'stale');
    await write({ ...set('k', at(10), 'retried'), needsProof: true });
    expect(await redis.get('k')).toBeNull();
    await write(set('p', at(10), 'a'), { ...set('p', at(11), 'b'), needsProof: true });
    expect(await redis.get('p')).toBe('b');
  });

  it('knows its keys and records under a key prefix, and so does a flush', async () => {
    const client = new Redis(server.port, { keyPrefix: 'own[1]:' });
    onTestFinished(() => client.disconnect());
    const writer = writerOn(client);
    const round = (...versioned: VersionedWrite[]): Promise<unknown> => writer.round({ versioned }, never);
    await redis.mset('t:1', 'foreign', 'cf:own[1]:t:1', 'foreign', 'cf:{xt:1}', 'foreign');
    await round(set('t:1', at(20), 'new'), set('t:{2}', at(20), 'new'), set('xt:1', at(20), 'new'));
    await round(set('t:1', at(10), 'old'), set('t:{2}', at(10), 'old'));
    expect(await client.mget('t:1', 't:{2}')).toEqual(['new', 'new']);
    expect(await redis.exists('own[1]:cf:{own[1]:t:1}', 'own[1]:cf::t:{2}')).toBe(2);
    await client.del('t:1');
    await flushPatterns(client, [{ pattern: 't:*', version: at(30) }], () => undefined);
    await round(set('t:1', at(25), 'old'), set('t:{2}', at(25), 'old'));
    expect(await client.mget('t:1', 't:{2}', 'xt:1')).toEqual([null, null, 'new']);
    expect(await redis.mget('t:1', 'cf:own[1]:t:1', 'cf:{xt:1}')).toEqual(['foreign', 'foreign', 'foreign']);
  });

  it('finds its record after a flush of a wide pattern that leaves no versions', async () => {
    await write(bury('t:1', at(20)));
    await redis.set('t:2', 'cached');
    await flushPatterns(redis, [{ pattern: '*', version: undefined }], () => undefined);
    await write(set('t:1', at(10), 'old'));
    expect(await redis.mget('t:1', 't:2')).toEqual([null, null]);
  });

  it('belongs to an epoch that all processes of a group share, and that grows with each new history', async () => {
    const claim = async (identity: string, ended: number): Promise<number> =>
      (await claimEpoch(redis, 'shop', identity, ended)).number;
    expect(await claimEpoch(redis, 'shop', 'a', -1)).toEqual({ number: 1, isFirst: true });
    expect(await claimEpoch(redis, 'shop', 'a', 0)).toEqual({ number: 1, isFirst: false });
    expect(await claim('b', 0)).toBe(2);
    // A RESET: the first process to see it ends the epoch, the next one finds it ended.
    expect([await claim('b', 2), await claim('b', 2), await claim('b', 1)]).toEqual([3, 3, 3]);
    await redis.flushall();
    // It does not begin anew in a Redis that was emptied.
    expect([await claim('b', 2), await claim('b', 2)]).toEqual([3, 3]);
  });
});

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.items (id INT PRIMARY KEY, n INT);
  CREATE TABLE shop.bulk (id INT PRIMARY KEY, text MEDIUMTEXT);`;
const ITEMS: TableOptions = { db: 'shop', table: 'items', strategy: 'write-through' };
const value = (id: number, n: number): string => JSON.stringify({ id, n });

/** Starts where the store of another app was. */
function storeAt(checkpoint: Checkpoint | undefined): CheckpointStore {
  return { load: async () => checkpoint ?? null, save: async () => undefined };
}

/** What every master of Redis is told to set from now on, whoever does it, as `key value`. */
class WatchedSets {
  private readonly lines: string[] = [];
  private settled = 0;

  private constructor(private readonly masters: readonly RedisServer[]) {}

  static async begin(stage: Stage): Promise<WatchedSets> {
    const sets = new WatchedSets(await stage.masters());
    for (const { port } of sets.masters) await sets.watch(port);
    return sets;
  }

  /** Those of the items, once all that came before is among them. */
  async ofItems(): Promise<string[]> {
    for (const master of this.masters) await master.command('ECHO', 'settled');
    await waitFor(() => this.settled === this.masters.length, { message: 'the monitors' });
    return this.lines.filter((line) => line.startsWith('shop:items:'));
  }

  private async watch(port: number): Promise<void> {
    const client = new Redis({ port });
    const monitor = await client.monitor();
    onTestFinished(() => {
      client.disconnect();
      monitor.disconnect();
    });
    monitor.on('error', () => undefined);
    monitor.on('monitor', (_time: string, [name = '', key, text]: string[]) => {
      if (name.toLowerCase() === 'set') this.lines.push(`${key} ${text}`);
      if (name.toLowerCase() === 'echo') this.settled++;
    });
  }
}

describeEachSql('two tails of one name', { schema: SCHEMA }, (stage) => {
  /** Each in a batch of its own, also when it is read again. */
  async function change(): Promise<void> {
    const statements = [
      'DELETE FROM shop.items',
      'INSERT INTO shop.items VALUES (1, 0), (2, 0), (3, 0), (4, 0)',
      ...[1, 2, 3, 4, 5].map((n) => `UPDATE shop.items SET n = ${n} WHERE id = 1`),
      'DELETE FROM shop.items WHERE id = 2',
      'DELETE FROM shop.items WHERE id = 3',
      'INSERT INTO shop.items VALUES (3, 9)',
      'UPDATE shop.items SET id = 5 WHERE id = 4',
    ];
    for (const statement of statements) {
      await stage.sql.query(statement);
      await stage.sql.query("REPLACE INTO shop.bulk VALUES (1, CONCAT(UUID(), REPEAT('x', 1100000)))");
    }
  }
  /** Without an election each of them reads the binlog. */
  const BOTH = { election: 'none' } as const;
  const BULK: TableOptions = { db: 'shop', table: 'bulk' };
  const keys = [1, 2, 3, 4, 5].map((id) => `shop:items:${id}`);
  const right = [value(1, 5), null, value(3, 9), null, value(5, 0)];

  it('never show an older value when one of them comes an hour late', async () => {
    await stage.sql.query('DELETE FROM shop.items');
    const options = { tables: [{ ...ITEMS, ttlSeconds: 600 }, BULK], ...BOTH };
    const late = await stage.spawn(stage.options(options));
    await late.caughtUp();
    late.child.kill('SIGSTOP');
    const app = await stage.app(options);
    await change();
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget(keys)).toEqual(right);
    const seen = await WatchedSets.begin(stage);
    late.child.kill('SIGCONT');
    await late.caughtUp();
    const sets = await seen.ofItems();
    expect(sets.filter((line) => !right.includes(line.slice(line.indexOf(' ') + 1)))).toEqual([]);
    expect(await stage.redis.mget(keys)).toEqual(right);
    expect(await stage.redis.ttl('shop:items:1')).toBeGreaterThan(0);
    expect(app.errors).toEqual([]);
  });

  it('never show an older value when one of them begins far behind, nor when a batch comes again', async () => {
    await stage.sql.query('DELETE FROM shop.items');
    const first = await stage.app({ tables: [ITEMS, BULK], ...BOTH });
    const start = first.cacheflow.status().position;
    await change();
    await first.cacheflow.caughtUp();
    const seen = await WatchedSets.begin(stage);
    const behind = await stage.app({ tables: [ITEMS, BULK], ...BOTH, checkpoint: storeAt(start) });
    expect(behind.cacheflow.status().counters.changes).toBeGreaterThan(10);
    // The same once more, by an app that was set back.
    await first.close();
    await stage.redis.set('cacheflow:default:checkpoint', JSON.stringify(start));
    await stage.app({ tables: [ITEMS, BULK], ...BOTH });
    const sets = await seen.ofItems();
    expect(sets.filter((line) => !right.includes(line.slice(line.indexOf(' ') + 1)))).toEqual([]);
    expect(await stage.redis.mget(keys)).toEqual(right);
    expect([...first.errors, ...behind.errors]).toEqual([]);
  });

  it('find what a flush of the table has left, so that the late one brings nothing back', async () => {
    await stage.sql.query('DELETE FROM shop.items');
    const app = await stage.app({ tables: [{ ...ITEMS, ttlSeconds: 600 }], ...BOTH });
    const start = app.cacheflow.status().position;
    await stage.sql.query('INSERT INTO shop.items VALUES (1, 1), (2, 2)');
    await app.cacheflow.caughtUp();
    // Expired, and still to be kept out.
    await stage.redis.del('shop:items:2');
    const { file, offset } = app.cacheflow.status().position ?? { file: '', offset: 0 };
    const table = { schema: 'shop', table: 'items', columns: ['id', 'n'], primaryKey: ['id'] };
    // A statement of which only its place counts here.
    await stage.sql.query('CREATE DATABASE elsewhere');
    await app.context
      .get(StrategyService, { strict: false })
      .apply([{ kind: 'flush', table, position: { file, offset } }], never);
    expect(await stage.redis.exists('shop:items:1', 'shop:items:2')).toBe(0);
    const behind = await stage.app({ tables: [ITEMS], ...BOTH, checkpoint: storeAt(start) });
    expect(behind.cacheflow.status().counters.changes).toBe(2);
    expect(await stage.redis.mget('shop:items:1', 'shop:items:2')).toEqual([null, null]);
    await stage.sql.query('UPDATE shop.items SET n = 7');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:items:1', 'shop:items:2')).toEqual([value(1, 7), value(2, 7)]);
  });
});

describeEachSql('the epoch', { schema: SCHEMA }, (stage) => {
  it('lets the low file numbers after a RESET win over the high ones before it', async () => {
    await stage.sql.query('FLUSH BINARY LOGS; FLUSH BINARY LOGS; FLUSH BINARY LOGS');
    const app = await stage.app({ tables: [ITEMS] });
    await stage.sql.query('REPLACE INTO shop.items VALUES (1, 1), (2, 1)');
    await app.cacheflow.caughtUp();
    const before = Number(await stage.redis.hget('cacheflow:epochs', 'last'));
    await app.close();
    await stage.sql.query(stage.sql.kind === 'mysql' ? 'RESET BINARY LOGS AND GTIDS' : 'RESET MASTER');
    const again = await stage.app({ tables: [ITEMS] });
    await stage.sql.query('UPDATE shop.items SET n = 2');
    await again.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:items:1', 'shop:items:2')).toEqual([value(1, 2), value(2, 2)]);
    expect(Number(await stage.redis.hget('cacheflow:epochs', 'last'))).toBe(before + 1);
  });
});

describe('a Redis Cluster', () => {
  let cluster: RedisCluster;
  let sql: Awaited<ReturnType<typeof startMariadb>>;
  beforeAll(async () => {
    [cluster, sql] = await Promise.all([startRedisCluster(), startMariadb()]);
    await sql.query(SCHEMA);
  });
  afterAll(async () => {
    await Promise.all([cluster?.dispose(), sql?.dispose()]);
  });

  it.each(['', 'own:', 'own{x}:'])(
    'holds each record in the slot of its key (key prefix "%s")',
    async (keyPrefix) => {
      const client = new Cluster(
        cluster.nodes.map(({ host, port }) => ({ host, port })),
        { keyPrefix },
      );
      onTestFinished(() => client.disconnect());
      const forms = [
        (id: number) => `plain:${id}`,
        (id: number) => `tag:{${id}}:x`,
        (id: number) => `open{brace:${id}`,
        (id: number) => `close}brace:${id}`,
        (id: number) => `odd}{${id}`,
        (id: number) => `empty{}:${id}`,
      ];
      const key = ({ id }: { id: number }): string[] => forms.map((form) => form(id));
      const app = await startApp({
        name: `of-${keyPrefix.length}`,
        mysql: sql.connectionOptions(),
        redis: client,
        election: 'none',
        tables: [{ ...ITEMS, key: key as () => string[], match: '*' }],
      });
      onTestFinished(() => app.close());
      await app.cacheflow.caughtUp();
      const start = app.cacheflow.status().position;
      const ids = Array.from({ length: 20 }, (_, id) => id + 1);
      for (const id of ids) await Promise.all(forms.map((form) => client.set(form(id), 'stale')));
      await sql.query(`REPLACE INTO shop.items VALUES ${ids.map((id) => `(${id}, 1)`).join()}`);
      await sql.query('UPDATE shop.items SET n = 2');
      await sql.query('DELETE FROM shop.items WHERE id > 10');
      await app.cacheflow.caughtUp();
      const behind = await startApp({
        name: `of-${keyPrefix.length}`,
        mysql: sql.connectionOptions(),
        redis: client,
        election: 'none',
        tables: [{ ...ITEMS, key: key as () => string[], match: '*' }],
        checkpoint: storeAt(start),
      });
      onTestFinished(() => behind.close());
      await behind.cacheflow.caughtUp();
      for (const id of ids) {
        const values = await Promise.all(forms.map((form) => client.get(form(id))));
        const right = id > 10 ? null : value(id, 2);
        // Where no record can be in the slot, the key is removed instead of written.
        const odd = keyPrefix.includes('{') ? right : null;
        expect(values, String(id)).toEqual([right, right, odd, odd, odd, odd]);
      }
      expect([...app.errors, ...behind.errors]).toEqual([]);
    },
  );
});
