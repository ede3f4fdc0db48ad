import { expect, it } from 'vitest';
import { CacheflowStoppedError, CaughtUpTimeoutError, StrategyService } from '../../../lib';
import { startApp } from '../../support/app';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `
  CREATE DATABASE user;
  CREATE TABLE user.users (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50));
  CREATE TABLE user.sessions (id INT PRIMARY KEY, name VARCHAR(50));
  CREATE TABLE user.unwatched (id INT PRIMARY KEY)`;
const TABLES = [
  { db: 'user', table: 'users' },
  { db: 'user', table: 'sessions', strategy: 'write-through' as const },
];

describeEachSql('the hand on the tail', { schema: SCHEMA }, (stage) => {
  it('tells in status() where it stands and what it did', async () => {
    const app = await stage.app({
      tables: TABLES,
      name: 'books',
      mysql: { ...stage.sql.connectionOptions(), serverId: 77 },
    });
    await stage.sql.query(
      "INSERT INTO user.users VALUES (1, 'a'), (2, 'b'); REPLACE INTO user.sessions VALUES (1, 'c')",
    );
    await stage.sql.query('REPLACE INTO user.unwatched VALUES (1)');
    await app.cacheflow.caughtUp();
    await waitFor(
      () => app.cacheflow.status().checkpoint?.offset === app.cacheflow.status().position?.offset,
    );
    const status = app.cacheflow.status();
    expect(status).toMatchObject({
      name: 'books',
      state: 'streaming',
      reason: undefined,
      serverId: 77,
      lag: { millis: 0 },
      queuedRows: 0,
      pendingHandlers: 0,
      counters: {
        changes: 3,
        invalidated: 2,
        written: 1,
        flushed: 0,
        events: 3,
        handlerFailures: 0,
        errors: 0,
        reconnects: 0,
      },
    });
    expect(status.position?.file).toMatch(/^binlog\.\d+$/);
    expect(status.position?.gtidSet).toMatch(
      stage.sql.kind === 'mysql' ? /^[0-9a-f-]{36}:1-\d+$/ : /^0-1-\d+$/,
    );
    expect(status.checkpoint).toEqual(status.position);
    expect(JSON.parse((await stage.redis.get('cacheflow:books:checkpoint')) ?? '')).toMatchObject({
      ...status.checkpoint,
    });
    await app.close();
    expect(app.cacheflow.status()).toMatchObject({ state: 'stopped', checkpoint: status.checkpoint });
  });

  it('waits in caughtUp() for all that was committed before the call, and for no more', async () => {
    const app = await stage.app({ tables: TABLES });
    for (let round = 0; round < 10; round++) {
      await stage.cache(`user:users:${100 + round}`);
      await stage.sql.query("REPLACE INTO user.users VALUES (?, 'x')", [100 + round]);
      await app.cacheflow.caughtUp();
      expect(await stage.redis.exists(`user:users:${100 + round}`)).toBe(0);
    }
    let writing = true;
    const writer = (async () => {
      while (writing) await stage.sql.query("INSERT INTO user.users (name) VALUES ('busy')");
    })();
    await app.cacheflow.caughtUp({ timeoutMillis: 5_000 });
    writing = false;
    await writer;
    expect(app.cacheflow.status().state).toBe('streaming');
  });

  it('rejects caughtUp() with what stands in the way', async () => {
    const app = await stage.app({ tables: TABLES });
    app.cacheflow.pause();
    await stage.sql.query("INSERT INTO user.users (name) VALUES ('x')");
    const late = app.cacheflow.caughtUp({ timeoutMillis: 100 });
    await expect(late).rejects.toBeInstanceOf(CaughtUpTimeoutError);
    await expect(late).rejects.toThrow('within 100 ms (state paused)');
    const waiting = expect(app.cacheflow.caughtUp()).rejects.toBeInstanceOf(CacheflowStoppedError);
    await app.close();
    await waiting;
    await expect(app.cacheflow.caughtUp()).rejects.toBeInstanceOf(CacheflowStoppedError);
  });

  it('applies nothing while paused, shows the lag, and applies all afterwards', async () => {
    const watchdogMillis = 600;
    const app = await stage.app({ tables: TABLES, watchdogMillis });
    await stage.sql.query("REPLACE INTO user.users VALUES (200, 'x')");
    await app.cacheflow.caughtUp();
    await waitFor(
      () => app.cacheflow.status().checkpoint?.offset === app.cacheflow.status().position?.offset,
    );
    const before = app.cacheflow.status();
    app.cacheflow.pause();
    app.cacheflow.pause();
    expect(app.cacheflow.status().state).toBe('paused');
    const keys = Array.from({ length: 50 }, (_, id) => `user:users:${201 + id}`);
    await stage.cache(...keys);
    for (const id of keys.keys())
      await stage.sql.query("REPLACE INTO user.users VALUES (?, 'y')", [201 + id]);
    // Longer than the watchdog waits for a sign of life.
    await waitFor(() => app.cacheflow.status().lag.millis > 3 * watchdogMillis);
    const paused = app.cacheflow.status();
    expect(paused.lag.bytes).toBeGreaterThan(50 * 30);
    expect(paused).toMatchObject({
      state: 'paused',
      position: before.position,
      checkpoint: before.checkpoint,
    });
    expect(await stage.redis.exists(keys)).toBe(50);
    expect(app.events).toHaveLength(1);

    app.cacheflow.resume();
    await app.cacheflow.caughtUp();
    expect(await stage.redis.exists(keys)).toBe(0);
    expect(app.events.map((event) => event.after?.['id'])).toEqual([200, ...keys.map((_, id) => 201 + id)]);
    expect(app.cacheflow.status()).toMatchObject({ state: 'streaming', lag: { millis: 0 } });
    await waitFor(() => app.cacheflow.status().lag.bytes === 0);
    expect(app.errors).toEqual([]);
    expect(app.cacheflow.status().counters.reconnects).toBe(0);
  });

  it('stays paused over a loss of the connection', async () => {
    const app = await stage.app({ tables: TABLES, watchdogMillis: 600 });
    app.cacheflow.pause();
    await stage.cache('user:users:300');
    const dumps = await stage.sql.query<{ ID: number }>(
      "SELECT ID FROM INFORMATION_SCHEMA.PROCESSLIST WHERE ID <> CONNECTION_ID() AND USER = 'root'",
    );
    // One that ends with another is no longer there to be killed.
    for (const { ID } of dumps) await stage.sql.query(`KILL ${ID}`).catch(() => undefined);
    await stage.sql.query("REPLACE INTO user.users VALUES (300, 'x')");
    await waitFor(() => app.errors.some((error) => error.code === 'CACHEFLOW_SOURCE_UNAVAILABLE'));
    expect(app.cacheflow.status().state).toBe('paused');
    expect(await stage.redis.exists('user:users:300')).toBe(1);
    app.cacheflow.resume();
    await app.cacheflow.caughtUp();
    expect(await stage.redis.exists('user:users:300')).toBe(0);
    expect(app.cacheflow.status()).toMatchObject({ state: 'streaming', reason: undefined });
    expect(app.cacheflow.status().counters.reconnects).toBe(1);
  });

  it('can be paused before it is connected, and closed while it is paused', async () => {
    const app = await startApp(stage.options({ tables: TABLES }));
    app.cacheflow.pause();
    await stage.cache('user:users:400');
    await stage.sql.query("REPLACE INTO user.users VALUES (400, 'x')");
    await expect(app.cacheflow.caughtUp({ timeoutMillis: 200 })).rejects.toBeInstanceOf(CaughtUpTimeoutError);
    expect(await stage.redis.exists('user:users:400')).toBe(1);
    expect(app.cacheflow.status().state).toBe('paused');
    await app.close();
    expect(app.cacheflow.status().state).toBe('stopped');
  });

  it('says in status() that it is connecting, and why', async () => {
    await stage.sql.stop();
    const app = await startApp(stage.options({ tables: TABLES, reconnect: { maxMillis: 200 } }));
    expect(app.cacheflow.status()).toMatchObject({
      state: 'connecting',
      position: undefined,
      checkpoint: undefined,
    });
    await waitFor(() => app.cacheflow.status().reason?.includes('ECONNREFUSED'));
    expect(app.cacheflow.status().lag).toEqual({ millis: 0, bytes: undefined });
    await stage.sql.start();
    await app.cacheflow.caughtUp();
    expect(app.cacheflow.status()).toMatchObject({ state: 'streaming', reason: undefined });
    await app.close();
  });

  it('removes keys by invalidate()', async () => {
    const app = await stage.app({ tables: TABLES });
    await stage.cache('any:1', 'any:2', 'any:3');
    await app.cacheflow.invalidate('any:1', 'any:2', 'not:there');
    await app.cacheflow.invalidate();
    expect(await stage.redis.mget('any:1', 'any:2', 'any:3')).toEqual([null, null, 'cached']);
    await stage.redis.call('ACL', 'SETUSER', 'default', '-unlink');
    try {
      await expect(app.cacheflow.invalidate('any:3')).rejects.toThrow(
        /NOPERM|no permissions|can't run this command/,
      );
    } finally {
      await stage.redis.call('ACL', 'SETUSER', 'default', '+unlink');
    }
  });

  it('ends the tail loudly, and not the process, when the pipeline fails in a way nobody foresaw', async () => {
    const uncaught: unknown[] = [];
    const remember = (error: unknown): void => void uncaught.push(error);
    process.on('uncaughtException', remember).on('unhandledRejection', remember);
    const app = await stage.app({ tables: [{ db: 'user', table: 'sessions' }] });
    // Nothing real is known that makes it fail.
    const strategy = app.context.get(StrategyService, { strict: false });
    strategy.apply = () => Promise.reject(new TypeError('unforeseen'));
    await stage.sql.query("REPLACE INTO user.sessions VALUES (500, 'bad')");
    await waitFor(() => app.cacheflow.status().state === 'failed');
    expect(app.cacheflow.status().reason).toContain('The pipeline failed (TypeError)');
    expect(app.errors.map(({ code }) => code)).toEqual(['CACHEFLOW_STOPPED']);
    await expect(app.cacheflow.caughtUp()).rejects.toThrow('The tail has failed');
    expect(app.events).toEqual([]);
    await app.close();
    expect(app.cacheflow.status().state).toBe('failed');
    await new Promise((resolve) => setTimeout(resolve));
    process.off('uncaughtException', remember).off('unhandledRejection', remember);
    expect(uncaught).toEqual([]);
  });

  it('removes the key of a row that has no JSON, and goes on with the others', async () => {
    const key = (row: Record<string, unknown>): string => {
      // A key function must not have side effects; JSON cannot hold this one.
      if (row['name'] === 'bad') row['self'] = row;
      return `session:${String(row['id'])}`;
    };
    const tables = [
      { db: 'user', table: 'sessions', strategy: 'write-through' as const, key, match: 'session:*' },
    ];
    const app = await stage.app({ tables });
    await stage.cache('session:600');
    await stage.sql.query("REPLACE INTO user.sessions VALUES (600, 'bad'), (601, 'good')");
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('session:600')).toBeNull();
    expect(JSON.parse((await stage.redis.get('session:601')) ?? '')).toMatchObject({ id: 601, name: 'good' });
    expect(app.errors.map(({ code }) => code)).toEqual(['CACHEFLOW_REDIS_REFUSED']);
  });
});
