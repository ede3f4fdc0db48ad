import { createServer, connect, type Server, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import {
  CacheflowError,
  RedisUnavailableError,
  ServerIdClashError,
  SourceStalledError,
  SourceUnavailableError,
} from '../../lib';
import type { TestApp } from '../support/app';
import type { Stage } from '../support/each-sql';
import { describeEachSql } from '../support/each-sql';
import { waitFor } from '../support/wait-for';

// At least once: whatever breaks in mid-stream, nothing is skipped, the errors are told, and the tail recovers by itself.

const SCHEMA = 'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50));';
const tables = [{ db: 'shop', table: 'users' }];
const reconnect = { minMillis: 20, maxMillis: 200 };

/** Changes rows `from` to `to`, each in a transaction of its own. */
async function change(stage: Stage, from: number, to: number): Promise<void> {
  for (let id = from; id <= to; id++)
    await stage.sql.query('REPLACE INTO shop.users VALUES (?, UUID())', [id]);
}

const keys = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `shop:users:${from + i}`);

/** The ids that were handed on, each once, in the order of their first arrival. */
const ids = (app: TestApp) => [...new Set(app.events.map(({ after }) => after?.['id']))];

function saw<T extends CacheflowError>(app: TestApp, kind: abstract new (...given: never[]) => T): boolean {
  return app.errors.some((error) => error instanceof kind);
}

async function streams(app: TestApp): Promise<void> {
  await waitFor(() => app.cacheflow.status().state === 'streaming', {
    message: 'the tail to stream',
    timeoutMillis: 20_000,
  });
}

describeEachSql('the tail', { schema: SCHEMA }, (stage) => {
  it('goes on where it was after the source was killed in mid-stream', async () => {
    const app = await stage.app({ tables, reconnect });
    await stage.cache(...keys(1, 30));
    await change(stage, 1, 15);
    await stage.sql.kill();
    // The barrier may be the first to report it.
    await waitFor(() => app.cacheflow.status().state === 'connecting', { message: 'the break' });
    expect(saw(app, SourceUnavailableError)).toBe(true);
    expect(app.cacheflow.status().reason).toMatch(/trying again/);
    await stage.sql.start();
    await change(stage, 16, 30);
    await app.cacheflow.caughtUp();
    expect(app.cacheflow.status()).toMatchObject({ state: 'streaming', reason: undefined });
    expect(app.cacheflow.status().counters.reconnects).toBeGreaterThan(0);
    expect(await stage.redis.mget(keys(1, 30))).toEqual(Array(30).fill(null));
    expect(ids(app)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  });

  it('holds while Redis is frozen, and goes on', async () => {
    const app = await stage.app({ tables });
    await stage.cache(...keys(1, 20));
    stage.redisServer.pause();
    try {
      await change(stage, 1, 20);
      await waitFor(() => app.cacheflow.status().queuedRows > 0, { message: 'rows to queue' });
      await expect(app.cacheflow.caughtUp({ timeoutMillis: 100 })).rejects.toMatchObject({
        code: 'CACHEFLOW_CAUGHT_UP_TIMEOUT',
      });
      expect(app.events).toEqual([]);
    } finally {
      stage.redisServer.resume();
    }
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget(keys(1, 20))).toEqual(Array(20).fill(null));
    expect(ids(app)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  it('holds while Redis is gone, and goes on', async () => {
    const app = await stage.app({ tables });
    await stage.redisServer.kill();
    try {
      await waitFor(() => saw(app, RedisUnavailableError), { message: 'the error' });
      await change(stage, 1, 20);
      expect(app.events).toEqual([]);
    } finally {
      await stage.redisServer.start();
    }
    await app.cacheflow.caughtUp();
    expect(ids(app)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    await stage.cache(...keys(1, 3));
    await change(stage, 1, 2);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget(keys(1, 3))).toEqual([null, null, 'cached']);
    expect(await stage.redis.get('cacheflow:default:checkpoint')).not.toBeNull();
  });

  it('shares a source with another tail that was given the same server id', async () => {
    const mysql = { ...stage.sql.connectionOptions(), serverId: 4711 };
    const first = await stage.app({ name: 'first', mysql, tables, reconnect });
    const second = await stage.app({ name: 'second', mysql, tables, reconnect });
    await waitFor(() => saw(first, ServerIdClashError), { message: 'the clash to be told' });
    await streams(first);
    const serverIds = [first, second].map((app) => app.cacheflow.status().serverId);
    expect(serverIds[0]).not.toBe(4711);
    expect(serverIds[1]).toBe(4711);
    for (let id = 1; id <= 10; id++) {
      await change(stage, id, id);
      await Promise.all([first.cacheflow.caughtUp(), second.cacheflow.caughtUp()]);
    }
    // No ping-pong: one of them moved to another id, once.
    expect([first, second].map((app) => app.cacheflow.status().counters.reconnects)).toEqual([1, 0]);
    expect([ids(first).length, ids(second).length]).toEqual([10, 10]);
    expect(first.errors.map(({ code }) => code)).toEqual(['CACHEFLOW_SERVER_ID_CLASH']);
    expect(second.errors).toEqual([]);
  });

  it('recovers from a source that froze for longer than the watchdog waits', async () => {
    const app = await stage.app({ tables, reconnect, watchdogMillis: 300 });
    await change(stage, 1, 5);
    stage.sql.pause();
    await waitFor(() => app.cacheflow.status().state === 'connecting', {
      timeoutMillis: 20_000,
      message: 'the connection to be given up',
    }).finally(() => stage.sql.resume());
    expect(saw(app, SourceUnavailableError) || saw(app, SourceStalledError)).toBe(true);
    await streams(app);
    await stage.cache(...keys(1, 10));
    await change(stage, 6, 10);
    await app.cacheflow.caughtUp();
    expect(ids(app)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('replaces a replication connection that went silent while the source goes on', async () => {
    const proxy = await Proxy.listen(stage.sql.port);
    onTestFinished(() => proxy.close());
    const mysql = { ...stage.sql.connectionOptions(), port: proxy.port };
    const app = await stage.app({ mysql, tables, reconnect, watchdogMillis: 300 });
    await stage.cache(...keys(1, 10));
    await change(stage, 1, 5);
    await app.cacheflow.caughtUp();
    proxy.silence(await dumpPort(stage));
    await change(stage, 6, 10);
    await waitFor(() => saw(app, SourceStalledError), { message: 'the watchdog', timeoutMillis: 20_000 });
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget(keys(1, 10))).toEqual(Array(10).fill(null));
    expect(ids(app)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(app.cacheflow.status().counters.reconnects).toBe(1);
  });
});

/** The client port of the connection that streams. */
async function dumpPort(stage: Stage): Promise<number> {
  const open = await stage.sql.query<{ Host: string; Command: string }>('SHOW PROCESSLIST');
  const dump = open.find(({ Command }) => Command.startsWith('Binlog Dump'));
  return Number(dump?.Host.split(':')[1]);
}

/** Stands between the tail and the source, to make what no server can be told to do: a connection that is silently dead. */
class Proxy {
  private readonly pairs: { client: Socket; upstream: Socket }[] = [];

  private constructor(
    private readonly server: Server,
    private readonly target: number,
  ) {
    server.on('connection', (client) => {
      const upstream = connect(this.target, '127.0.0.1');
      this.pairs.push({ client, upstream });
      client.pipe(upstream).pipe(client);
      for (const socket of [client, upstream]) socket.on('error', () => undefined);
    });
  }

  static async listen(target: number): Promise<Proxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Proxy(server, target);
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  /** Nothing comes through any more on the connection that the source knows by this port. */
  silence(upstreamPort: number): void {
    const pair = this.pairs.find(({ upstream }) => upstream.localPort === upstreamPort);
    pair?.upstream.unpipe();
    pair?.client.unpipe();
  }

  close(): void {
    this.server.close();
    for (const { client, upstream } of this.pairs) {
      client.destroy();
      upstream.destroy();
    }
  }
}
