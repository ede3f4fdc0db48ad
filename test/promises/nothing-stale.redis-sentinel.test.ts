import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TableOptions } from '../../lib';
import type { TestApp } from '../support/app';
import { codesOf, startApp } from '../support/app';
import { untilSaved } from '../support/checkpoint';
import { HeldLoad } from '../support/held-load';
import { appSource } from '../support/redis/address';
import { spreadRedis } from '../support/redis/spread-redis';
import type { Topology } from '../support/redis/topology';
import { startSentinelTopology } from '../support/redis/topology';
import type { RedisSentinel, RedisServer, SqlServer } from '../support/servers';
import { cutOffReplicas, reconnectReplicas, revive, startMariadb } from '../support/servers';
import { waitFor } from '../support/wait-for';

// A master behind Sentinel that fails over leaves nothing old behind, and takes its checkpoint back with it.

const TABLES: TableOptions[] = [
  { db: 'shop', table: 'users' },
  { db: 'shop', table: 'items', strategy: 'write-through' },
];
const KEYS = ['shop:users:1', 'shop:items:1', 'shop:users:2', 'shop:items:2'];
const SETTLE_MILLIS = 40_000;

describe('Redis behind Sentinel', () => {
  let sql: SqlServer;
  let group: RedisSentinel;
  let topology: Topology;
  let redis: Redis;
  const apps: TestApp[] = [];

  beforeAll(async () => {
    [sql, { group, topology }] = await Promise.all([startMariadb(), startSentinelTopology()]);
    redis = spreadRedis(topology);
    await sql.query(`CREATE DATABASE shop;
      CREATE TABLE shop.users (id INT PRIMARY KEY, n INT);
      CREATE TABLE shop.items (id INT PRIMARY KEY, n INT)`);
  });
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    await revive(group.servers);
    await group.settled();
    await redis.flushall();
  });
  afterAll(async () => {
    redis?.disconnect();
    await Promise.all([group?.dispose(), sql?.dispose()]);
  });

  async function start(): Promise<TestApp> {
    const mysql = sql.connectionOptions();
    const app = await startApp({ mysql, redis: appSource(topology.address), tables: TABLES });
    apps.push(app);
    await caughtUp(app);
    return app;
  }

  const caughtUp = async (app: TestApp): Promise<void> =>
    app.cacheflow.caughtUp({ timeoutMillis: SETTLE_MILLIS });
  const item = (id: number, n: number): string => JSON.stringify({ id, n });

  async function write(id: number, n: number): Promise<void> {
    await sql.query(
      `REPLACE INTO shop.users VALUES (${id}, ${n}); REPLACE INTO shop.items VALUES (${id}, ${n})`,
    );
  }

  /** The master loses what `work` writes; resolves with it when another one has taken over. */
  async function losing(work: () => Promise<void>): Promise<RedisServer> {
    const master = await group.master();
    const replicas = group.servers.filter((server) => server !== master);
    await master.command('WAIT', replicas.length, 5_000);
    await cutOffReplicas(replicas);
    await work();
    await master.kill();
    await reconnectReplicas(replicas);
    await group.successorOf(master);
    return master;
  }

  it(
    'whose master dies with writes that no replica has seen gets just these once more',
    { timeout: 120_000 },
    async () => {
      const app = await start();
      await write(1, 1);
      await caughtUp(app);
      await untilSaved(app, redis);
      await redis.mset('shop:users:1', 'cached', 'shop:users:2', 'cached');
      const held = new HeldLoad(async () => 'old');
      const old = await losing(async () => {
        // Its lease is known to the old master only, as is the end of the lease.
        const reading = app.cacheflow.getOrLoad('shop:users:3', held.load);
        await held.hasRead;
        await write(1, 2);
        await write(3, 2);
        await caughtUp(app);
        await untilSaved(app, redis);
        expect(await redis.get('shop:users:1')).toBeNull();
        held.release();
        await reading;
      });
      await caughtUp(app);
      expect(await redis.mget(KEYS)).toEqual([null, item(1, 2), 'cached', null]);
      expect(await redis.get('shop:users:3')).toBeNull();
      expect(codesOf(app)).toContain('CACHEFLOW_REDIS_REWOUND');

      // The old one believes to be the master until the sentinels tell it otherwise.
      await old.start();
      await write(2, 3);
      await caughtUp(app);
      await group.settled();
      await untilSaved(app, redis);
      for (const server of group.servers) {
        await waitFor(async () => (await server.command('GET', 'shop:items:2')) === item(2, 3));
        expect(await server.command('GET', 'shop:users:2')).toBeNull();
      }
    },
  );

  it(
    'whose master loses writes while no app runs has no old key after the start',
    { timeout: 120_000 },
    async () => {
      const app = await start();
      await write(1, 3);
      await caughtUp(app);
      await untilSaved(app, redis);
      await redis.set('shop:users:1', 'cached');
      await losing(async () => {
        await write(1, 4);
        await caughtUp(app);
        await app.close();
      });
      await waitFor(async () => (await redis.get('shop:users:1')) === 'cached', {
        message: 'what came back',
      });
      // The checkpoint went back as well, and tells from where to read again.
      const second = await start();
      expect(await redis.mget('shop:users:1', 'shop:items:1')).toEqual([null, item(1, 4)]);
      expect(second.errors).toEqual([]);
    },
  );

  it(
    'whose master is frozen goes on as soon as another one has taken over',
    { timeout: 120_000 },
    async () => {
      const app = await start();
      await redis.set('shop:users:1', 'cached');
      const master = await group.master();
      master.pause();
      await write(1, 5);
      await group.successorOf(master);
      const since = Date.now();
      await caughtUp(app);
      // Without a `socketTimeout` the connection to a server that does not answer would be given up after 30 seconds.
      expect(Date.now() - since).toBeLessThan(15_000);
      expect(await redis.mget('shop:users:1', 'shop:items:1')).toEqual([null, item(1, 5)]);
      // Yesterday's master.
      master.resume();
      await group.settled();
      await write(1, 6);
      await caughtUp(app);
      expect(await redis.get('shop:items:1')).toBe(item(1, 6));
    },
  );
});
