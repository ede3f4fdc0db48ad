import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { startApp } from '../support/app';
import { describeEachSql } from '../support/each-sql';
import { waitFor } from '../support/wait-for';

const SCHEMA = `
  CREATE DATABASE user;
  CREATE TABLE user.users (id INT PRIMARY KEY, version INT);`;
const TABLES = [{ db: 'user', table: 'users', strategy: 'write-through' as const }];

const LIBRARY = join(__dirname, '../../.build/lib');

/** Runs a fixture, which has to end by itself, quietly, soon after it has printed `closed`; resolves with its output. */
async function endOf(fixture: string, settings: unknown): Promise<string> {
  const script = join(__dirname, '../support/fixtures', fixture);
  const child = spawn(process.execPath, [script, JSON.stringify(settings)]);
  let output = '';
  let complaints = '';
  let closedAt = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    if (output.includes('closed')) closedAt ||= performance.now();
  });
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
  try {
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(complaints).toBe('');
    expect(code).toBe(0);
    expect(performance.now() - closedAt).toBeLessThan(2_000);
    return output;
  } finally {
    child.kill('SIGKILL');
  }
}

describeEachSql('a shutdown', { schema: SCHEMA }, (stage) => {
  const write = async (id: number, version: number): Promise<void> => {
    await stage.sql.query('REPLACE INTO user.users VALUES (?, ?)', [id, version]);
  };

  it('loses nothing while a writer goes on over several restarts', async () => {
    const seen = new Set<string>();
    let writing = true;
    let version = 0;
    const writer = (async () => {
      while (writing) await write(++version % 20, version);
    })();
    for (let round = 1; round <= 4; round++) {
      const app = await startApp(stage.options({ tables: TABLES }));
      app.cacheflow.events$.subscribe(({ after }) => {
        if (after) seen.add(String(after['version']));
      });
      const target = round * 40;
      await waitFor(() => version >= target);
      await app.cacheflow.caughtUp();
      await app.close();
      expect(app.errors).toEqual([]);
      const closedAt = version;
      await waitFor(() => version > closedAt + 10);
    }
    writing = false;
    await writer;
    const last = await startApp(stage.options({ tables: TABLES }));
    last.cacheflow.events$.subscribe(({ after }) => {
      if (after) seen.add(String(after['version']));
    });
    await last.cacheflow.caughtUp();
    await last.close();

    const rows = await stage.sql.query<{ id: number; version: number }>('SELECT * FROM user.users');
    const cached = await stage.redis.mget(rows.map(({ id }) => `user:users:${id}`));
    expect(cached.map((text) => JSON.parse(text ?? 'null') as unknown)).toEqual(rows);
    const first = Math.min(...[...seen].map(Number));
    // The first start begins at the end of the binlog; from there on every change is seen.
    const expected = Array.from({ length: version - first + 1 }, (_, index) => String(first + index));
    expect(expected.filter((each) => !seen.has(each))).toEqual([]);
    expect(expected.length).toBeGreaterThan(150);
  });

  it('finishes the batch in hand and keeps its checkpoint', async () => {
    const app = await stage.app({ tables: TABLES });
    for (let id = 100; id < 130; id++) await write(id, 1);
    await waitFor(() => app.cacheflow.status().counters.events > 0);
    await app.close();
    const again = await stage.app({ tables: TABLES });
    const versions = [...app.events, ...again.events].map(({ after }) => Number(after?.['id']));
    expect(versions).toEqual(Array.from({ length: 30 }, (_, index) => 100 + index));
  });

  it.each([
    ['after a change', 'REPLACE INTO user.users VALUES (200, 1)', '1 event'],
    ['as soon as it has caught up', '', '0 event'],
  ])('lets the process end by itself, quietly: %s', async (_title, statement, seen) => {
    const settings = {
      library: LIBRARY,
      options: stage.options({ tables: TABLES }),
      statement,
      mysql: stage.sql.connectionOptions(),
    };
    expect(await endOf('one-change.cjs', settings)).toContain(seen);
  });

  it('waits for no answer of a connection that is closed', async () => {
    const settings = { library: LIBRARY, mysql: stage.sql.connectionOptions() };
    await endOf('unanswered-question.cjs', settings);
  });

  it('leaves a client that the app gave alone', async () => {
    const client = new Redis(stage.redisServer.port);
    try {
      const app = await stage.app({ tables: TABLES, redis: client });
      await write(300, 1);
      await app.cacheflow.caughtUp();
      await app.close();
      expect(client.status).toBe('ready');
      expect(await client.get('user:users:300')).toBe('{"id":300,"version":1}');
    } finally {
      client.disconnect();
    }
  });

  it.each([
    ['our own client', 1, () => ({ port: stage.redisServer.port })],
    ['a client of the app', 2, () => new Redis(stage.redisServer.port)],
  ])('ends in time while Redis hangs, with %s', async (_title, version, makeRedis) => {
    const redis = makeRedis();
    const app = await stage.app({ tables: TABLES, redis, shutdownTimeoutMillis: 300 });
    stage.redisServer.pause();
    try {
      await write(400, version);
      await waitFor(() => app.cacheflow.status().queuedRows > 0);
      const closing = performance.now();
      await app.close();
      expect(performance.now() - closing).toBeLessThan(2_000);
      expect(app.log.join('\n')).toContain('The shutdown was cut short');
    } finally {
      stage.redisServer.resume();
    }
    const again = await stage.app({ tables: TABLES });
    expect(again.events.map(({ after }) => after)).toEqual([{ id: 400, version }]);
    if (redis instanceof Redis) redis.disconnect();
  });

  it('ends in time while the source hangs, and while it is away', async () => {
    const app = await stage.app({ tables: TABLES, shutdownTimeoutMillis: 5_000 });
    stage.sql.pause();
    try {
      const asking = app.cacheflow.caughtUp().catch((error: Error) => error.name);
      const closing = performance.now();
      await app.close();
      expect(performance.now() - closing).toBeLessThan(2_000);
      expect(await asking).toBe('CacheflowStoppedError');
    } finally {
      stage.sql.resume();
    }

    const other = await stage.app({
      tables: TABLES,
      shutdownTimeoutMillis: 5_000,
      reconnect: { minMillis: 5_000 },
    });
    await stage.sql.kill();
    try {
      await waitFor(() => other.cacheflow.status().state === 'connecting');
      const closing = performance.now();
      await other.close();
      expect(performance.now() - closing).toBeLessThan(2_000);
      expect(other.cacheflow.status().state).toBe('stopped');
    } finally {
      await stage.sql.start();
    }
  });

  it('ends in time while a connection is being made to a source that hangs', async () => {
    const options = {
      tables: TABLES,
      shutdownTimeoutMillis: 5_000,
      reconnect: { minMillis: 10, maxMillis: 10 },
    };
    const app = await stage.app(options);
    await stage.sql.kill();
    await waitFor(() => app.cacheflow.status().state === 'connecting');
    await stage.sql.start();
    stage.sql.pause();
    try {
      const closing = performance.now();
      await app.close();
      expect(performance.now() - closing).toBeLessThan(2_000);
      expect(app.cacheflow.status().state).toBe('stopped');
    } finally {
      stage.sql.resume();
    }
  });

  it('ends in time while the checkpoint store hangs', async () => {
    let hang = false;
    const checkpoint = {
      load: async () => null,
      save: async () => {
        if (hang) await new Promise(() => undefined);
      },
    };
    const app = await stage.app({ tables: TABLES, checkpoint, shutdownTimeoutMillis: 300 });
    hang = true;
    await write(500, 1);
    await write(501, 1);
    await waitFor(async () => (await stage.redis.exists('user:users:500')) === 1);
    const closing = performance.now();
    await app.close();
    expect(performance.now() - closing).toBeLessThan(2_000);
  });
});
