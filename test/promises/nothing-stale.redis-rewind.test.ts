import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { TableOptions } from '../../lib';
import { OnBinlog } from '../../lib';
import type { TestApp } from '../support/app';
import { codesOf, startApp } from '../support/app';
import { CHECKPOINT, placeOf, storedCheckpoint, untilSaved } from '../support/checkpoint';
import { connectRedis, describeEachSql, Stage } from '../support/each-sql';
import { restartFrom, takeSnapshot } from '../support/redis/snapshot';
import type { RedisServer } from '../support/servers';
import { startMysql, startRedis, startRedisCluster } from '../support/servers';
import { SwitchingProxy } from '../support/switching-proxy';
import { waitFor } from '../support/wait-for';

// Redis may lose what it had confirmed. What it lost is applied again, so that no key of its past survives.

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.users (id INT PRIMARY KEY, n INT);
  CREATE TABLE shop.items (id INT PRIMARY KEY, n INT);`;
const TABLES: TableOptions[] = [
  { db: 'shop', table: 'users' },
  { db: 'shop', table: 'items', strategy: 'write-through' },
];
const rewinds = (app: TestApp): number =>
  app.errors.filter(({ code, message }) => code === 'CACHEFLOW_REDIS_REWOUND' && /confirmed/.test(message))
    .length;

async function change(stage: Stage, id: number, n: number): Promise<void> {
  await stage.sql.query('REPLACE INTO shop.users VALUES (?, ?); REPLACE INTO shop.items VALUES (?, ?)', [
    id,
    n,
    id,
    n,
  ]);
}

describeEachSql('a Redis that went back', { schema: SCHEMA }, (stage) => {
  const keys = ['shop:users:1', 'shop:items:1', 'shop:users:2', 'shop:items:2'];
  const item = (id: number, n: number): string => JSON.stringify({ id, n });

  it('to an older snapshot under a running app gets what it lost once more', async () => {
    const app = await stage.app({ tables: TABLES });
    await change(stage, 1, 1);
    await app.cacheflow.caughtUp();
    await untilSaved(app, stage.redis);
    await stage.cache('shop:users:1', 'shop:users:2');
    const snapshot = await takeSnapshot(stage.redisServer);
    await change(stage, 1, 2);
    await app.cacheflow.caughtUp();
    await untilSaved(app, stage.redis);
    expect(await stage.redis.mget(keys)).toEqual([null, item(1, 2), 'cached', null]);

    const { written } = app.cacheflow.status().counters;
    await restartFrom(stage.redisServer, snapshot);
    await change(stage, 2, 3);
    // The writes themselves notice it, before anybody asks.
    await waitFor(() => rewinds(app) > 0 || app.cacheflow.status().counters.written > written, {
      message: 'the next round',
    });
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget(keys)).toEqual([null, item(1, 2), null, item(2, 3)]);
    expect(rewinds(app)).toBe(1);
    // What the checkpoint says is what was applied since, and it goes on from there.
    await untilSaved(app, stage.redis);
    expect(app.cacheflow.status().state).toBe('streaming');
    await change(stage, 1, 4);
    await app.cacheflow.caughtUp();
    await untilSaved(app, stage.redis);
    expect(rewinds(app)).toBe(1);
  });

  it('by a single round is noticed by a round whose script it has forgotten', async () => {
    const app = await stage.app({ tables: TABLES });
    await stage.sql.query('REPLACE INTO shop.items VALUES (1, 11)');
    await app.cacheflow.caughtUp();
    await untilSaved(app, stage.redis);
    const snapshot = await takeSnapshot(stage.redisServer);
    await stage.sql.query('REPLACE INTO shop.items VALUES (1, 12)');
    await app.cacheflow.caughtUp();
    await untilSaved(app, stage.redis);
    await stage.redisServer.kill();
    await stage.sql.query('REPLACE INTO shop.items VALUES (2, 13)');
    await restartFrom(stage.redisServer, snapshot);
    await waitFor(() => stage.redis.get('shop:items:2'), { message: 'the next write' });
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:items:1', 'shop:items:2')).toEqual([item(1, 12), item(2, 13)]);
    expect(rewinds(app)).toBe(1);
  });

  it('by a single round is noticed by a round that is sent twice, because its answer was lost', async () => {
    const proxy = await SwitchingProxy.start(stage.redisServer.port);
    onTestFinished(() => proxy.dispose());
    const app = await stage.app({ tables: TABLES, redis: { port: proxy.port } });
    await change(stage, 1, 21);
    await app.cacheflow.caughtUp();
    await untilSaved(app, stage.redis);
    await stage.cache('shop:users:1', 'shop:users:2');
    const snapshot = await takeSnapshot(stage.redisServer);
    await stage.sql.query('REPLACE INTO shop.users VALUES (1, 22)');
    await app.cacheflow.caughtUp();
    await untilSaved(app, stage.redis);
    await stage.redisServer.kill();
    proxy.loseAnswerTo('shop:users:2');
    await stage.sql.query('REPLACE INTO shop.users VALUES (2, 22)');
    await restartFrom(stage.redisServer, snapshot);
    await waitFor(async () => (await stage.redis.get('shop:users:2')) === null, {
      message: 'the next removal',
    });
    await waitFor(() => !proxy.losesAnswer, { message: 'the answer to be lost' });
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:users:1', 'shop:users:2')).toEqual([null, null]);
    expect(rewinds(app)).toBe(1);
  });

  it('to a snapshot from before it was emptied, whose count is higher, is noticed all the same', async () => {
    const app = await stage.app({ tables: TABLES });
    for (const n of [1, 2, 3, 4, 5, 6, 7, 8]) {
      await change(stage, 1, n);
      await app.cacheflow.caughtUp();
    }
    await untilSaved(app, stage.redis);
    const snapshot = await takeSnapshot(stage.redisServer);
    await stage.redis.flushall();
    await app.cacheflow.caughtUp();
    await change(stage, 1, 9);
    await app.cacheflow.caughtUp();
    await untilSaved(app, stage.redis);
    expect(rewinds(app)).toBe(1);

    await restartFrom(stage.redisServer, snapshot);
    await app.cacheflow.caughtUp();
    expect(rewinds(app)).toBe(2);
    expect(await stage.redis.get('shop:items:1')).toBe(item(1, 9));
  });

  it('while nothing is written is noticed by itself, and before `caughtUp` resolves', async () => {
    const app = await stage.app({ tables: TABLES });
    await untilSaved(app, stage.redis);
    await stage.cache('shop:users:1');
    const snapshot = await takeSnapshot(stage.redisServer);
    for (const ask of [true, false]) {
      await change(stage, 1, 2);
      await app.cacheflow.caughtUp();
      await untilSaved(app, stage.redis);
      const before = rewinds(app);
      await restartFrom(stage.redisServer, snapshot);
      if (ask) {
        await app.cacheflow.caughtUp();
        expect(rewinds(app)).toBe(before + 1);
        expect(await stage.redis.get('shop:users:1')).toBeNull();
      } else {
        await waitFor(() => rewinds(app) > before, { message: 'the poll', timeoutMillis: 15_000 });
        await waitFor(async () => (await stage.redis.get('shop:users:1')) === null, {
          message: 'the replay',
        });
      }
    }
  });

  it('to nothing under a running app loses what it was filled with meanwhile, and misses no event', async () => {
    const app = await stage.app({ tables: TABLES });
    await change(stage, 1, 1);
    await app.cacheflow.caughtUp();
    await untilSaved(app, stage.redis);
    await stage.redis.flushall();
    // A reader that had the row before its last change.
    await stage.cache('shop:users:1', 'shop:items:1', 'other:users:1');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:users:1', 'shop:items:1')).toEqual([null, null]);
    expect(await stage.redis.get('other:users:1')).toBe('cached');
    expect(codesOf(app)).toEqual(['CACHEFLOW_CHECKPOINT_FAILED', 'CACHEFLOW_REDIS_REWOUND']);

    await change(stage, 1, 5);
    await app.cacheflow.caughtUp();
    await untilSaved(app, stage.redis);
    await restartFrom(stage.redisServer, undefined);
    await stage.cache('shop:users:1');
    await change(stage, 2, 6);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget(keys)).toEqual([null, null, null, item(2, 6)]);
    const seen = app.events.filter(({ table }) => table === 'users').map(({ after }) => after?.['n']);
    expect([...new Set(seen)]).toEqual([1, 5, 6]);
    await untilSaved(app, stage.redis);
  });

  it('keeps its checkpoint until what it lost was applied, also when the app dies right then', async () => {
    const options = { tables: TABLES };
    const tail = await stage.spawn(stage.options(options));
    await tail.caughtUp();
    await change(stage, 1, 1);
    await tail.caughtUp();
    await waitFor(async () => (await stage.redis.get('shop:items:1')) === item(1, 1));
    await waitFor(
      async () =>
        placeOf(await storedCheckpoint(stage.redis)) === placeOf((await tail.report()).status.position),
      { message: 'the checkpoint' },
    );
    await stage.cache('shop:users:1');
    const snapshot = await takeSnapshot(stage.redisServer);
    const old = await storedCheckpoint(stage.redis);
    await change(stage, 1, 2);
    await tail.caughtUp();
    await stage.redisServer.kill();
    await copyFile(snapshot, join(stage.redisServer.dataDir, 'dump.rdb'));
    // It comes back with an app that is about to write and to save, and that dies as soon as it has seen it.
    const seen = new Set<string>();
    await change(stage, 2, 3);
    await stage.redisServer.start();
    await waitFor(async () => {
      seen.add(placeOf(await storedCheckpoint(stage.redis)));
      return (await stage.redis.get('shop:users:1')) === null || seen.size > 1;
    });
    await tail.kill();
    expect([...seen][0]).toBe(placeOf(old));
    const app = await stage.app(options);
    expect(await stage.redis.mget(keys)).toEqual([null, item(1, 2), null, item(2, 3)]);
    expect(codesOf(app)).toEqual([]);
  });

  it('takes no checkpoint that had waited for a handler, and gets what it lost once more', async () => {
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    class Slow {
      @OnBinlog('shop.users')
      async onUser(): Promise<void> {
        await opened;
      }
    }
    const app = await stage.app({ tables: TABLES }, { providers: [Slow] });
    await stage.cache('shop:users:1');
    await untilSaved(app, stage.redis);
    const snapshot = await takeSnapshot(stage.redisServer);
    await change(stage, 1, 7);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:users:1')).toBeNull();
    await stage.redisServer.kill();
    await copyFile(snapshot, join(stage.redisServer.dataDir, 'dump.rdb'));
    // The checkpoint is due now: saving it is the first thing that waits for Redis.
    open();
    await stage.redisServer.start();
    await waitFor(() => rewinds(app) === 1, { message: 'the rewind to be noticed' });
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:users:1', 'shop:items:1')).toEqual([null, item(1, 7)]);
    await untilSaved(app, stage.redis);
  });

  it('costs all keys of the watched tables when the checkpoint did not go back with it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cacheflow-rewind-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, 'checkpoint.json');
    const app = await stage.app({ tables: TABLES, checkpoint: { file } });
    await stage.cache('shop:users:1', 'shop:users:2', 'other:1');
    const snapshot = await takeSnapshot(stage.redisServer);
    await change(stage, 1, 1);
    await app.cacheflow.caughtUp();
    await waitFor(
      async () =>
        placeOf(JSON.parse(await readFile(file, 'utf8'))) === placeOf(app.cacheflow.status().position),
      { message: 'the checkpoint' },
    );
    await restartFrom(stage.redisServer, snapshot);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:users:1', 'shop:users:2', 'other:1')).toEqual([null, null, 'cached']);
    expect(codesOf(app)).toContain('CACHEFLOW_REDIS_REWOUND');
    await change(stage, 1, 2);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:items:1')).toBe(item(1, 2));
    expect(rewinds(app)).toBe(1);
  });

  it('is told from one whose checkpoint alone has gone: all keys go, loudly; a first start flushes nothing', async () => {
    await stage.cache('shop:users:1');
    const first = await stage.app({ tables: TABLES });
    expect(await stage.redis.get('shop:users:1')).toBe('cached');
    expect(codesOf(first)).toEqual([]);
    await first.close();
    await change(stage, 1, 9);
    await stage.redis.del(CHECKPOINT);
    const second = await stage.app({ tables: TABLES });
    expect(await stage.redis.get('shop:users:1')).toBeNull();
    expect(codesOf(second)).toEqual(['CACHEFLOW_CHECKPOINT_FAILED']);
    expect(second.errors[0]?.message).toContain('The checkpoint is gone');
    await untilSaved(second, stage.redis);
  });

  it('is no matter for two processes of one name, who count for themselves', async () => {
    const options = { tables: TABLES, election: 'none' } as const;
    const apps = [await stage.app(options), await stage.app(options)];
    for (let n = 0; n < 20; n++) await change(stage, 1 + (n % 2), n);
    for (const app of apps) await app.cacheflow.caughtUp();
    await apps.shift()?.close();
    await change(stage, 1, 99);
    await apps[0]?.cacheflow.caughtUp();
    expect(apps[0]?.errors).toEqual([]);
    expect(await stage.redis.get('shop:items:1')).toBe(item(1, 99));
    await apps[0]?.close();
    expect((await stage.redis.keys('*:checkpoint*')).sort()).toEqual([CHECKPOINT]);
  });
});

describe('on MySQL', () => {
  const stage = new Stage('mysql');
  beforeAll(async () => {
    [stage.sql, stage.redisServer] = await Promise.all([startMysql(), startRedis()]);
    stage.redis = connectRedis(stage.redisServer);
    await stage.sql.query(SCHEMA);
  });
  afterEach(async () => {
    await stage.closeApps();
    await stage.redis.config('SET', 'maxmemory', '0');
    await stage.redis.flushall();
  });
  afterAll(async () => {
    stage.redis?.disconnect();
    await Promise.all([stage.sql?.dispose(), stage.redisServer?.dispose()]);
  });

  it('a Redis without memory counts nothing, which is no alarm by itself', async () => {
    const app = await stage.app({ tables: TABLES });
    await stage.cache('shop:users:1');
    await stage.redis.config('SET', 'maxmemory', '1');
    await change(stage, 1, 1);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:users:1')).toBeNull();
    await stage.redis.config('SET', 'maxmemory', '0');
    await change(stage, 1, 2);
    await app.cacheflow.caughtUp();
    await untilSaved(app, stage.redis);
    expect(codesOf(app)).not.toContain('CACHEFLOW_REDIS_REWOUND');
  });

  it.each([
    ['when it is asked', true],
    ['by the first checkpoint that is saved', false],
  ])('a Redis that goes back while it counts nothing is noticed, %s', async (_title, asks) => {
    const app = await stage.app({ tables: TABLES });
    await change(stage, 1, 0);
    await app.cacheflow.caughtUp();
    await untilSaved(app, stage.redis);
    await stage.cache('shop:users:1', 'shop:users:2');
    const snapshot = await takeSnapshot(stage.redisServer);
    const old = placeOf(await storedCheckpoint(stage.redis));
    await stage.redis.config('SET', 'maxmemory', '1');
    await change(stage, 1, 1);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:users:1')).toBeNull();
    expect(placeOf(await storedCheckpoint(stage.redis))).toBe(old);
    // The memory is there again after the restart, and so is the key; the count is as high as it ever was.
    await restartFrom(stage.redisServer, snapshot);
    expect(await stage.redis.get('shop:users:1')).toBe('cached');
    if (asks) await app.cacheflow.caughtUp();
    else await waitFor(() => rewinds(app) > 0, { message: 'the alarm' });
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:users:1', 'shop:users:2')).toEqual([null, 'cached']);
    expect(rewinds(app)).toBe(1);
    await untilSaved(app, stage.redis);
  });

  it('a replica that lagged and was promoted gets what it lacks', async () => {
    const primary = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] });
    const replica = await startRedis();
    const proxy = await SwitchingProxy.start(primary.port);
    onTestFinished(async () => {
      await proxy.dispose();
      await Promise.all([primary.dispose(), replica.dispose()]);
    });
    const link = await SwitchingProxy.start(primary.port);
    onTestFinished(() => link.dispose());
    const app = await stage.app({ tables: TABLES, redis: { port: proxy.port } });
    await replica.command('REPLICAOF', '127.0.0.1', link.port);
    await waitFor(
      async () => (await replica.command<string>('INFO', 'replication')).includes('link_status:up'),
      {
        message: 'the replica',
      },
    );
    await primary.command('SET', 'shop:users:1', 'cached');
    await change(stage, 2, 1);
    await app.cacheflow.caughtUp();
    await waitFor(async () => (await replica.command('GET', 'shop:items:2')) !== null, {
      message: 'the copy',
    });
    await primary.command('WAIT', 1, 5_000);
    link.close();
    await change(stage, 1, 2);
    await app.cacheflow.caughtUp();
    expect(await primary.command('GET', 'shop:users:1')).toBeNull();
    expect(await replica.command('GET', 'shop:users:1')).toBe('cached');
    await replica.command('REPLICAOF', 'NO', 'ONE');
    proxy.close();
    proxy.open(replica.port);
    await app.cacheflow.caughtUp();
    expect(await replica.command('GET', 'shop:users:1')).toBeNull();
    expect(await replica.command('GET', 'shop:items:1')).toBe('{"id":1,"n":2}');
    expect(rewinds(app)).toBe(1);
  });

  it('a master of a cluster that comes back in another state costs all keys, wherever the checkpoint is', async () => {
    const cluster = await startRedisCluster();
    onTestFinished(() => cluster.dispose());
    const client = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })));
    onTestFinished(() => client.disconnect());
    const app = await startApp({ mysql: stage.sql.connectionOptions(), redis: client, tables: TABLES });
    onTestFinished(() => app.close());
    await app.cacheflow.caughtUp();
    const ids = Array.from({ length: 30 }, (_, id) => id + 1);
    for (const id of ids) await client.set(`shop:users:${id}`, 'cached');
    await client.set('other:1', 'cached');
    const [node] = cluster.nodes as [RedisServer];
    await node.command('SAVE');
    for (const id of ids) await change(stage, id, 1);
    await app.cacheflow.caughtUp();
    await node.kill();
    await node.start();
    await waitFor(async () => (await node.command<string>('CLUSTER', 'INFO')).includes('cluster_state:ok'), {
      message: 'the cluster',
      timeoutMillis: 20_000,
    });
    // Old values have come back with it.
    expect(Number(await node.command('DBSIZE'))).toBeGreaterThan(3);
    await app.cacheflow.caughtUp();
    const left = await Promise.all(ids.map((id) => client.get(`shop:users:${id}`)));
    expect(left.filter((value) => value !== null)).toEqual([]);
    expect(await client.get('other:1')).toBe('cached');
    expect(rewinds(app)).toBe(1);
  });
});
