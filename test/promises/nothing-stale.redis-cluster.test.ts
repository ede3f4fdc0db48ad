import calculateSlot from 'cluster-key-slot';
import { Cluster } from 'ioredis';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TableOptions } from '../../lib';
import { flushPatterns } from '../../lib/redis/key-flush';
import type { AppOptions, TestApp } from '../support/app';
import { codesOf, startApp } from '../support/app';
import { placeOf, storedCheckpoint } from '../support/checkpoint';
import { spreadRedis } from '../support/redis/spread-redis';
import type { Topology } from '../support/redis/topology';
import { startClusterTopology } from '../support/redis/topology';
import type { RedisCluster, RedisServer, SqlServer } from '../support/servers';
import { cutOffReplicas, reconnectReplicas, revive, startMysql } from '../support/servers';
import { waitFor } from '../support/wait-for';

// Masters of a Redis Cluster that fail over, and slots that move, leave nothing old behind.

const TABLES: TableOptions[] = [
  { db: 'shop', table: 'users' },
  { db: 'shop', table: 'items', strategy: 'write-through' },
];
const IDS = Array.from({ length: 40 }, (_, index) => index + 1);
const USERS = IDS.map((id) => `shop:users:${id}`);
const SETTLE_MILLIS = 30_000;

describe('a Redis Cluster', () => {
  let sql: SqlServer;
  let cluster: RedisCluster;
  let topology: Topology;
  let redis: Redis;
  let client: Cluster;
  let apps: TestApp[];

  beforeAll(async () => {
    [sql, { cluster, topology }] = await Promise.all([startMysql(), startClusterTopology()]);
    redis = spreadRedis(topology);
    await sql.query(`CREATE DATABASE shop;
      CREATE TABLE shop.users (id INT PRIMARY KEY, n INT);
      CREATE TABLE shop.items (id INT PRIMARY KEY, n INT)`);
  });
  beforeEach(() => {
    apps = [];
    // As an app makes it that knows nothing of failovers.
    client = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })));
    client.on('error', () => undefined);
  });
  afterEach(async () => {
    for (const app of apps) await app.close();
    client.disconnect();
    await revive(cluster.nodes);
    await cluster.settled();
    await redis.flushall();
    await sql.query('DELETE FROM shop.users; DELETE FROM shop.items');
  });
  afterAll(async () => {
    redis?.disconnect();
    await Promise.all([cluster?.dispose(), sql?.dispose()]);
  });

  async function start(options: Partial<AppOptions> = {}): Promise<TestApp> {
    const app = await startApp({ mysql: sql.connectionOptions(), redis: client, tables: TABLES, ...options });
    apps.push(app);
    await app.cacheflow.caughtUp({ timeoutMillis: SETTLE_MILLIS });
    return app;
  }

  async function write(n: number, ids = IDS): Promise<void> {
    const rows = ids.map((id) => `(${id}, ${n})`).join();
    await sql.query(`REPLACE INTO shop.users VALUES ${rows}; REPLACE INTO shop.items VALUES ${rows}`);
  }

  const cacheUsers = async (): Promise<unknown> => redis.mset(...USERS.flatMap((key) => [key, 'cached']));
  const leftUsers = async (): Promise<unknown[]> =>
    (await redis.mget(USERS)).filter((value) => value !== null);
  const caughtUp = async (app: TestApp): Promise<void> =>
    app.cacheflow.caughtUp({ timeoutMillis: SETTLE_MILLIS });

  /** Resolves when the checkpoint covers everything. */
  async function saved(app: TestApp): Promise<void> {
    await waitFor(
      async () => placeOf(await storedCheckpoint(redis)) === placeOf(app.cacheflow.status().position),
      {
        message: 'the checkpoint to be saved',
      },
    );
  }

  /** The master of a shard without the checkpoint loses what `work` writes; resolves when its replica has taken over. */
  async function losing(work: () => Promise<void>): Promise<RedisServer> {
    const slot = calculateSlot('cacheflow:default:checkpoint');
    const owner = await cluster.ownerOf(slot);
    const master = (await cluster.masters()).find((node) => node !== owner) as RedisServer;
    const replicas = await cluster.replicasOf(master);
    // It has all that was written before.
    await master.command('WAIT', 1, 5_000);
    await cutOffReplicas(replicas);
    await work();
    await master.kill();
    await reconnectReplicas(replicas);
    await cluster.successorOf(master, replicas);
    return master;
  }

  it('whose master dies with writes that no replica has seen has no old key, and none when it comes back', async () => {
    const app = await start();
    await cacheUsers();
    const old = await losing(async () => {
      await write(1);
      await caughtUp(app);
      expect(await leftUsers()).toEqual([]);
    });
    await caughtUp(app);
    expect(await leftUsers()).toEqual([]);
    expect(codesOf(app)).toContain('CACHEFLOW_REDIS_REWOUND');
    await old.start();
    await cluster.settled();
    await write(2);
    await caughtUp(app);
    expect(await leftUsers()).toEqual([]);
    const items = await redis.mget(IDS.map((id) => `shop:items:${id}`));
    expect(items).toEqual(IDS.map((id) => JSON.stringify({ id, n: 2 })));
  });

  it('whose master loses writes while no app runs has no old key after the start', async () => {
    const app = await start();
    await cacheUsers();
    await redis.set('other:1', 'cached');
    const old = await losing(async () => {
      await write(1);
      await caughtUp(app);
      await saved(app);
      await app.close();
      expect(await leftUsers()).toEqual([]);
    });
    // They have come back with the replica.
    expect((await leftUsers()).length).toBeGreaterThan(0);
    const second = await start();
    expect(await leftUsers()).toEqual([]);
    expect(await redis.get('other:1')).toBe('cached');
    // It may also say that it has waited for the cluster to be whole.
    const rewound = second.errors.filter(({ code }) => code === 'CACHEFLOW_REDIS_REWOUND');
    expect(rewound.map(({ message }) => message)).toEqual([
      expect.stringContaining('While the app was not running, a master of the Redis Cluster was replaced'),
    ]);
    await saved(second);
    await second.close();
    await old.start();
    await cluster.settled();
    await cacheUsers();
    const third = await start();
    expect(third.errors).toEqual([]);
    expect(await leftUsers()).toHaveLength(IDS.length);
  });

  it('whose master is frozen is waited for until a replica takes over, whatever the client knows of it', async () => {
    const app = await start();
    await cacheUsers();
    const [master] = await cluster.masters();
    const replicas = await cluster.replicasOf(master as RedisServer);
    master?.pause();
    await write(1);
    await cluster.successorOf(master as RedisServer, replicas);
    await caughtUp(app);
    expect(await leftUsers()).toEqual([]);
    // Yesterday's master.
    master?.resume();
    await cluster.settled();
    await write(2);
    await caughtUp(app);
    expect(await leftUsers()).toEqual([]);
  });

  it('whose slot is moving loses its old keys all the same, however long that takes', async () => {
    const app = await start();
    const slot = calculateSlot('shop:users:1');
    const keys = [1, 2].map((id) => `{shop:users:1}:${id}`);
    const from = await cluster.ownerOf(slot);
    const to = (await cluster.masters()).find((node) => node !== from) as RedisServer;
    await write(1, [1]);
    await caughtUp(app);
    await redis.mset('shop:users:1', 'cached', keys[0] ?? '', 'x');
    await cluster.openSlot(slot, from, to);
    try {
      // Here the key is on one master and its record on none; then neither is anywhere.
      for (const n of [2, 3]) {
        await write(n, [1]);
        await caughtUp(app);
        expect(await redis.get('shop:users:1')).toBeNull();
      }
    } finally {
      await cluster.migrateKeys(slot, from, to);
      await cluster.closeSlot(slot, from, to);
    }
    await write(4, [1]);
    await caughtUp(app);
    expect(await redis.get('shop:items:1')).toBe('{"id":1,"n":4}');
    expect(app.errors.map(({ message }) => message)).toEqual([]);
  });

  it('whose slot is moving has written values removed, and nothing older comes back', async () => {
    const app = await start({ retry: { maxAttempts: 1 } });
    await write(1, [7]);
    await caughtUp(app);
    expect(await redis.get('shop:items:7')).toBe('{"id":7,"n":1}');
    const record = 'cf:{shop:items:7}';
    const version = (await redis.get(record)) ?? '';
    const slot = calculateSlot('shop:items:7');
    const from = await cluster.ownerOf(slot);
    const to = (await cluster.masters()).find((node) => node !== from) as RedisServer;
    await cluster.openSlot(slot, from, to);
    try {
      // Only the value goes, so that the record is missing on the other side.
      await from.command('MIGRATE', to.host, to.port, 'shop:items:7', 0, 5_000);
      await write(2, [7]);
      await caughtUp(app);
      expect(await redis.get('shop:items:7')).toBeNull();
      expect(codesOf(app)).toContain('CACHEFLOW_DEAD_LETTER');
    } finally {
      await cluster.migrateKeys(slot, from, to);
      await cluster.closeSlot(slot, from, to);
    }
    // The version of what was not written keeps everything older out.
    const raised = (await redis.get(record)) ?? '';
    expect(raised).toMatch(/^[\d.]+$/);
    expect(raised > version).toBe(true);
    await write(3, [7]);
    await caughtUp(app);
    expect(await redis.get('shop:items:7')).toBe('{"id":7,"n":3}');
  });

  it('whose slot moves during a flush keeps none of its keys', async () => {
    await client.ping();
    const [first, second] = client.nodes('master') as [Redis, Redis];
    const owned = await Promise.all(
      USERS.map(async (user) => (await cluster.ownerOf(calculateSlot(user))).port === second.options.port),
    );
    const key = USERS[owned.indexOf(true)] as string;
    await redis.set(key, 'cached');
    const target = cluster.nodes.find(({ port }) => port === first.options.port) as RedisServer;
    let isScanned = (): void => undefined;
    const scanned = new Promise<void>((resolve) => (isScanned = resolve));
    let moving: Promise<void> | undefined;
    // The second master is scanned only when the key has gone from it to the first one, which was scanned before.
    onScan(first, async (scan) => {
      const [cursor, found] = await scan();
      if (cursor === '0') isScanned();
      return [cursor, found];
    });
    onScan(second, async (scan) => {
      await scanned;
      await (moving ??= cluster.moveSlot(calculateSlot(key), target));
      return scan();
    });
    await flushPatterns(client, [{ pattern: 'shop:users:*', version: undefined }], () => undefined);
    expect(moving).toBeDefined();
    expect(await redis.get(key)).toBeNull();
  });

  it(
    'whose slots move under load is right afterwards, and nothing is taken for lost',
    { timeout: 90_000 },
    async () => {
      const app = await start();
      const slots = [
        ...new Set(
          IDS.flatMap((id) => [`shop:users:${id}`, `shop:items:${id}`]).map((key) => calculateSlot(key)),
        ),
      ];
      let moving = true;
      const moves = (async () => {
        for (const slot of [calculateSlot('cacheflow:default:checkpoint'), ...slots]) {
          const masters = await cluster.masters();
          await cluster.moveSlot(slot, masters[slot % masters.length] as RedisServer);
        }
      })().finally(() => (moving = false));
      const select = async (id: number): Promise<unknown> =>
        (await sql.query<object>('SELECT * FROM shop.users WHERE id = ?', [id]))[0] ?? null;
      const read = async (id: number): Promise<unknown> =>
        app.cacheflow.getOrLoad(`shop:users:${id}`, () => select(id));
      let n = 0;
      do {
        await write(++n);
        await Promise.all(IDS.map(read));
      } while (moving || n <= 3);
      await moves;
      await caughtUp(app);
      for (const [at, value] of (await redis.mget(USERS)).entries())
        if (value !== null) expect([at, JSON.parse(value)]).toEqual([at, { id: at + 1, n }]);
      expect(await redis.mget(IDS.map((id) => `shop:items:${id}`))).toEqual(
        IDS.map((id) => JSON.stringify({ id, n })),
      );
      expect(app.cacheflow.status().cache.fills).toBeGreaterThan(IDS.length);
      expect(codesOf(app)).not.toContain('CACHEFLOW_REDIS_REWOUND');
    },
  );
});

type Page = [cursor: string, keys: string[]];

/** Does this in place of the scans for values of a node. */
function onScan(node: Redis, work: (scan: () => Promise<Page>) => Promise<Page>): void {
  const scan = node.scan.bind(node) as (...args: unknown[]) => Promise<Page>;
  vi.spyOn(node, 'scan').mockImplementation(((...args: unknown[]) =>
    String(args[2]).startsWith('shop') ? work(() => scan(...args)) : scan(...args)) as typeof node.scan);
}
