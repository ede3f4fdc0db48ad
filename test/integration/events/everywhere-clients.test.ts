import { readFileSync } from 'node:fs';
import { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CacheflowConfigurationError } from '../../../lib';
import type { CacheflowOptions } from '../../../lib';
import type { TestApp } from '../../support/app';
import { startApp } from '../../support/app';
import type { RedisCluster, RedisServer, SqlServer } from '../../support/servers';
import { startMariadb, startRedis, startRedisCluster } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

// The changes for every process come over a connection of their own, whatever the client of the app is like.

let sql: SqlServer;
let server: RedisServer;
let cluster: RedisCluster;
let app: TestApp;
let id = 0;

beforeAll(async () => {
  [sql, server, cluster] = await Promise.all([startMariadb(), startRedis(), startRedisCluster()]);
  await sql.query('CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY)');
});
afterEach(async () => {
  await app?.close();
  for (const node of [server, ...cluster.nodes]) await node.command('FLUSHALL');
});
afterAll(async () => Promise.all([sql?.dispose(), server?.dispose(), cluster?.dispose()]));

async function begin(redis: CacheflowOptions['redis']): Promise<void> {
  app = await startApp({
    mysql: sql.connectionOptions(),
    redis,
    tables: [{ db: 'shop', table: 'orders' }],
    events: { delivery: 'everywhere' },
  });
  await app.cacheflow.caughtUp();
}

/** The connection has waited for more than a second, and longer than any deadline of the client. */
async function waits(nodes: readonly RedisServer[]): Promise<void> {
  await waitFor(
    async () => {
      const lists = await Promise.all(nodes.map((node) => node.command<string>('CLIENT', 'LIST')));
      return lists.some((list) => /\bidle=[2-9] .*\bcmd=xread\b/.test(list));
    },
    { message: 'a connection that waits' },
  );
}

async function receives(): Promise<void> {
  await sql.query('INSERT INTO shop.orders VALUES (?)', [++id]);
  await waitFor(() => app.events.at(-1)?.after?.['id'] === id, { message: 'the change' });
}

describe('the connection for the changes of every process', () => {
  it('waits without the deadlines of the app, and leaves its client alone', async () => {
    const client = new Redis({
      port: server.port,
      keyPrefix: 'own:',
      commandTimeout: 500,
      socketTimeout: 900,
      maxRetriesPerRequest: 1,
      enableOfflineQueue: false,
      enableAutoPipelining: true,
      retryStrategy: () => null,
    });
    await new Promise((resolve) => client.once('ready', resolve));
    await begin(client);
    await waits([server]);
    await receives();
    expect(await server.command('EXISTS', 'own:cf:{own:cacheflow:default:checkpoint}:events')).toBe(1);
    expect(app.errors).toEqual([]);
    // It was cut off, and a client of the app that gives up is no reason to give up.
    await server.command('CLIENT', 'KILL', 'ID', await readerId());
    await waitFor(readerId, { message: 'a new connection' });
    await receives();
    await app.close();
    expect(await client.ping()).toBe('PONG');
    expect(await readerId()).toBe('');
    client.disconnect();
  });

  it('is not left open by an app that cannot start', async () => {
    const client = new Redis({ port: server.port });
    const connections = async (): Promise<number> =>
      String(await client.client('LIST'))
        .trim()
        .split('\n').length;
    const before = await connections();
    const options = {
      mysql: sql.connectionOptions(),
      redis: client,
      events: { delivery: 'everywhere' } as const,
    };
    // A function needs `match`.
    const tables = [{ db: 'shop', table: 'orders', key: () => 'k' }];
    await expect(startApp({ ...options, tables })).rejects.toThrow(CacheflowConfigurationError);
    expect(await connections()).toBe(before);
    client.disconnect();
  });

  it('asks for a password that rotates before it connects again', async () => {
    let password = 'one';
    await server.command('CONFIG', 'SET', 'requirepass', password);
    const admin = new Redis({ port: server.port, password });
    try {
      await begin({ port: server.port, password: () => password });
      password = 'two';
      await admin.config('SET', 'requirepass', password);
      const list = String(await admin.client('LIST'));
      await admin.client('KILL', 'ID', /\bid=(\d+) .*\bcmd=xread\b/.exec(list)?.[1] ?? '');
      await receives();
    } finally {
      await app.close();
      await admin.config('SET', 'requirepass', '');
      admin.disconnect();
    }
  });

  it('needs no more rights than the documentation lists', async () => {
    const page = readFileSync('docs/reference/redis.md', 'utf8');
    const [, rights = ''] = /^ACL SETUSER cacheflow (.*)$/m.exec(page) ?? [];
    const parts = rights.replace('user:users', 'shop:orders').split(' ');
    await server.command('ACL', 'SETUSER', 'cacheflow', ...parts);
    await begin({ port: server.port, username: 'cacheflow', password: 'secret' });
    await receives();
    expect(app.errors).toEqual([]);
  });

  it.each(['', 'own:', '{x}:'])('reads from a cluster (key prefix %j)', async (keyPrefix) => {
    const client = new Cluster(
      cluster.nodes.map(({ host, port }) => ({ host, port })),
      { keyPrefix, scaleReads: 'slave', redisOptions: { commandTimeout: 500 } },
    );
    await begin(client);
    await waits(cluster.nodes);
    await receives();
    expect(app.errors).toEqual([]);
    await app.close();
    client.disconnect();
  });

  async function readerId(): Promise<string> {
    const list = await server.command<string>('CLIENT', 'LIST');
    return /\bid=(\d+) .*\bcmd=xread\b/.exec(list)?.[1] ?? '';
  }
});
