import { RedisModule } from '@liaoliaots/nestjs-redis';
import { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CacheflowOptions } from '../../../lib';
import type { TestApp } from '../../support/app';
import { startApp } from '../../support/app';
import type { RedisCluster, RedisServer, SqlServer } from '../../support/servers';
import { startMariadb, startRedis, startRedisCluster } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.orders (id INT PRIMARY KEY, total INT);
  CREATE TABLE shop.items (id INT PRIMARY KEY, total INT);
  CREATE TABLE shop.resets (id INT PRIMARY KEY AUTO_INCREMENT)`;
const TABLES: CacheflowOptions['tables'] = [
  { db: 'shop', table: 'orders' },
  { db: 'shop', table: 'items', strategy: 'write-through' },
  // A key that cannot be made costs the table all of its keys: here those of the orders.
  {
    db: 'shop',
    table: 'resets',
    match: 'shop:orders:*',
    key: () => {
      throw new RangeError('No key');
    },
  },
];
/** Makes the app remove every key of the orders, by their pattern. */
const RESET = 'INSERT INTO shop.resets VALUES ()';

let sql: SqlServer;
const apps: TestApp[] = [];

beforeAll(async () => {
  sql = await startMariadb();
  await sql.query(SCHEMA);
});
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
  await sql.query('DELETE FROM shop.orders; DELETE FROM shop.items');
});
afterAll(async () => sql?.dispose());

async function boot(
  redis: CacheflowOptions['redis'],
  more: Partial<CacheflowOptions> = {},
  imports: unknown[] = [],
) {
  const app = await startApp(
    { mysql: sql.connectionOptions(), redis, tables: TABLES, ...more },
    { imports: imports as [] },
  );
  apps.push(app);
  await app.cacheflow.caughtUp();
  return app;
}

describe('one Redis', () => {
  let server: RedisServer;
  let plain: Redis;
  beforeAll(async () => {
    server = await startRedis();
    plain = new Redis(server.port);
  });
  afterEach(async () => plain.flushall());
  afterAll(async () => {
    plain?.disconnect();
    await server?.dispose();
  });

  /** Deletes on a change, writes through, and removes all keys of a table: what is left with each of them. */
  async function tryAll(app: TestApp, reader: Redis): Promise<void> {
    await reader.mset('shop:orders:1', 'cached', 'shop:orders:2', 'cached', 'shop:orders:3', 'cached');
    await sql.query('INSERT INTO shop.orders VALUES (1, 1); INSERT INTO shop.items VALUES (1, 5)');
    await app.cacheflow.caughtUp();
    expect(await reader.mget('shop:orders:1', 'shop:orders:2')).toEqual([null, 'cached']);
    expect(await reader.get('shop:items:1')).toBe('{"id":1,"total":5}');
    await sql.query(RESET);
    await app.cacheflow.caughtUp();
    expect(await reader.exists('shop:orders:2', 'shop:orders:3')).toBe(0);
    expect(await reader.exists('shop:items:1')).toBe(1);
    await app.cacheflow.invalidate('shop:items:1');
    expect(await reader.exists('shop:items:1')).toBe(0);
    expect(app.errors.map(({ code }) => code)).toEqual(['CACHEFLOW_KEY_FAILED']);
  }

  it('is found by connection options, with a database number', async () => {
    const reader = new Redis(server.port, { db: 5 });
    try {
      await tryAll(await boot({ host: '127.0.0.1', port: server.port, db: 5 }), reader);
      expect(await plain.keys('*')).toEqual([]);
      expect(await reader.exists('cacheflow:default:checkpoint')).toBe(1);
    } finally {
      reader.disconnect();
    }
  });

  it('is found by a URL', async () => {
    const reader = new Redis(server.port, { db: 2 });
    try {
      await tryAll(await boot(`redis://127.0.0.1:${server.port}/2`), reader);
      expect(await plain.keys('*')).toEqual([]);
    } finally {
      reader.disconnect();
    }
  });

  it('is found by connection options with a key prefix', async () => {
    const reader = new Redis(server.port, { keyPrefix: 'own[1]:' });
    await plain.set('shop:orders:9', 'somebody else’s');
    try {
      await tryAll(await boot({ port: server.port, keyPrefix: 'own[1]:' }), reader);
      expect(await plain.keys('*')).toEqual(expect.arrayContaining(['shop:orders:9']));
      await apps.pop()?.close();
      // Published when there was time for it.
      await plain.del('own[1]:cacheflow:default:watermark');
      expect((await plain.keys('*')).sort()).toEqual([
        'own[1]:cacheflow:default:checkpoint',
        'own[1]:cacheflow:epochs',
        'own[1]:cf:{own[1]:cacheflow:default:checkpoint}:group',
        'own[1]:cf:{own[1]:shop:items:1}',
        'shop:orders:9',
      ]);
    } finally {
      reader.disconnect();
    }
  });

  it('can be a client of the app, whose key prefix holds for keys and for patterns, and which stays open', async () => {
    const client = new Redis(server.port, { keyPrefix: 'app*:' });
    await plain.mset('shop:orders:9', 'other', 'apple:shop:orders:9', 'other');
    try {
      const app = await boot(client);
      await tryAll(app, client);
      expect(await plain.exists('shop:orders:9', 'apple:shop:orders:9')).toBe(2);
      await apps.pop()?.close();
      expect(await client.ping()).toBe('PONG');
    } finally {
      client.disconnect();
    }
  });

  it('can be a client of the app that has not connected yet', async () => {
    const client = new Redis(server.port, { lazyConnect: true });
    try {
      await tryAll(await boot(client), plain);
    } finally {
      client.disconnect();
    }
  });

  it('can be a namespace of nestjs-redis, which closes its own client', async () => {
    const redisModule = RedisModule.forRoot({
      config: [
        { namespace: 'other', port: server.port, db: 7 },
        { namespace: 'cache', port: server.port, db: 3 },
      ],
      readyLog: false,
    });
    const reader = new Redis(server.port, { db: 3 });
    try {
      await tryAll(await boot({ namespace: 'cache' }, {}, [redisModule]), reader);
      await apps.pop()?.close();
      // Ours came down before theirs: the checkpoint of the shutdown is there.
      expect(await reader.exists('cacheflow:default:checkpoint')).toBe(1);
    } finally {
      reader.disconnect();
    }
  });

  it('has to be a namespace that exists', async () => {
    const redisModule = RedisModule.forRoot({ config: [{ namespace: 'cache', port: server.port }] });
    await expect(boot({ namespace: 'cash' }, {}, [redisModule])).rejects.toThrow(
      'nestjs-redis has no client of the namespace "cash"',
    );
    await expect(boot({ namespace: 'cache' })).rejects.toThrow(
      'nestjs-redis has no client of the namespace "cache"',
    );
  });

  it('may ask for a password that is fetched for each connection', async () => {
    await plain.call('ACL', 'SETUSER', 'rotating', 'on', '>first', '~*', '+@all');
    let asked = 0;
    const password = async (): Promise<string> => (++asked === 1 ? 'first' : 'second');
    try {
      const app = await boot({ port: server.port, username: 'rotating', password });
      await plain.call('ACL', 'SETUSER', 'rotating', 'resetpass', '>second');
      await plain.call('CLIENT', 'KILL', 'USER', 'rotating');
      await plain.set('shop:orders:4', 'cached');
      await sql.query('INSERT INTO shop.orders VALUES (4, 1)');
      await app.cacheflow.caughtUp();
      expect(await plain.exists('shop:orders:4')).toBe(0);
      expect(asked).toBeGreaterThan(1);
    } finally {
      await plain.call('ACL', 'DELUSER', 'rotating');
    }
  });
});

describe('a Redis Cluster', () => {
  let cluster: RedisCluster;
  const clients: Cluster[] = [];
  const ids = Array.from({ length: 60 }, (_, id) => id);

  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect();
    for (const node of cluster.nodes) await node.command('FLUSHALL');
  });
  afterAll(async () => cluster?.dispose());

  function connect(options: ConstructorParameters<typeof Cluster>[1] = {}): Cluster {
    const client = new Cluster(
      cluster.nodes.map(({ host, port }) => ({ host, port })),
      options,
    );
    clients.push(client);
    return client;
  }
  async function cache(client: Cluster, keys: readonly string[]): Promise<void> {
    await Promise.all(keys.map((key) => client.set(key, 'cached')));
  }
  async function left(client: Cluster, keys: readonly string[]): Promise<string[]> {
    const found = await Promise.all(keys.map((key) => client.exists(key)));
    return keys.filter((_, index) => found[index] === 1);
  }
  const insert = (table: string): Promise<unknown> =>
    sql.query(`INSERT INTO shop.${table} VALUES ${ids.map((id) => `(${id}, ${id})`).join()}`);

  it('has the keys of changed rows removed on every master, plain ones and those with hash tags', async () => {
    const client = connect();
    const app = await boot(client, {
      tables: [{ db: 'shop', table: 'orders', key: ['order:{id}', 'tagged:{{{total}}}:order:{id}'] }],
    });
    const keys = ids.flatMap((id) => [`order:${id}`, `tagged:{${id}}:order:${id}`]);
    await cache(client, [...keys, 'order:1000']);
    const spread = await Promise.all(cluster.nodes.map((node) => node.command<number>('DBSIZE')));
    expect(spread.every((count) => count > 10)).toBe(true);
    await insert('orders');
    await app.cacheflow.caughtUp();
    expect(await left(client, [...keys, 'order:1000'])).toEqual(['order:1000']);
    expect(app.errors).toEqual([]);
  });

  it('is written through on every master', async () => {
    const client = connect();
    const app = await boot(client);
    await insert('items');
    await app.cacheflow.caughtUp();
    const values = await Promise.all(ids.map((id) => client.get(`shop:items:${id}`)));
    expect(values).toEqual(ids.map((id) => JSON.stringify({ id, total: id })));
    await sql.query('DELETE FROM shop.items');
    await app.cacheflow.caughtUp();
    expect(
      await left(
        client,
        ids.map((id) => `shop:items:${id}`),
      ),
    ).toEqual([]);
  });

  it('loses all keys of a table on every master, with a key prefix too', async () => {
    const client = connect({ keyPrefix: 'app:' });
    const plain = connect();
    const app = await boot(client);
    await cache(
      client,
      ids.map((id) => `shop:orders:${id}`),
    );
    await cache(plain, ['shop:orders:1', 'app:other:1']);
    await sql.query(RESET);
    await app.cacheflow.caughtUp();
    expect(
      await left(
        client,
        ids.map((id) => `shop:orders:${id}`),
      ),
    ).toEqual([]);
    expect(await left(plain, ['shop:orders:1', 'app:other:1'])).toEqual(['shop:orders:1', 'app:other:1']);
    expect(app.cacheflow.status().counters.flushed).toBe(60);
    await apps.pop()?.close();
    expect(await client.ping()).toBe('PONG');
  });

  it('loses all keys of a table even when the client has not connected before', async () => {
    const plain = connect();
    await cache(
      plain,
      ids.map((id) => `shop:orders:${id}`),
    );
    const client = connect({ lazyConnect: true });
    const checkpoint = { load: async () => null, save: async () => undefined };
    const app = await boot(client, { checkpoint });
    await sql.query(RESET);
    await app.cacheflow.caughtUp();
    expect(
      await left(
        plain,
        ids.map((id) => `shop:orders:${id}`),
      ),
    ).toEqual([]);
  });

  it('has a removal of all keys wait for a master that is away', async () => {
    const client = connect({ clusterRetryStrategy: () => 50 });
    const checkpoint = { load: async () => null, save: async () => undefined };
    const app = await boot(client, { checkpoint });
    await cache(
      client,
      ids.map((id) => `shop:orders:${id}`),
    );
    const [first] = cluster.nodes;
    await first?.command('SAVE');
    await first?.kill();
    await waitFor(() => client.nodes('master').length === 2, { message: 'the client to notice' });
    await sql.query(RESET);
    await waitFor(() => app.errors.some(({ code }) => code === 'CACHEFLOW_REDIS_UNAVAILABLE'));
    await first?.start();
    await app.cacheflow.caughtUp({ timeoutMillis: 30_000 });
    expect(
      await left(
        client,
        ids.map((id) => `shop:orders:${id}`),
      ),
    ).toEqual([]);
  });
});
