import { createConnection } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { codesOf } from '../../support/app';
import { describeEachSql } from '../../support/each-sql';
import { HeldLoad } from '../../support/held-load';
import { stallCommits } from '../../support/commit-stall';
import { waitFor } from '../../support/wait-for';

// Readers must not suffer from a Redis that is away, nor from a tail that is behind.

const schema = `CREATE DATABASE app;
  CREATE TABLE app.users (id INT PRIMARY KEY, name VARCHAR(50)) ENGINE=InnoDB;
  INSERT INTO app.users VALUES (1, 'old');`;
const tables = [{ db: 'app', table: 'users' }];
const KEY = 'app:users:1';

interface User {
  id: number;
  name: string;
}

describeEachSql('a reader', { schema }, (stage) => {
  async function user(): Promise<User | null> {
    return (await stage.sql.query<User>('SELECT * FROM app.users WHERE id = 1'))[0] ?? null;
  }
  async function rename(name: string): Promise<void> {
    await stage.sql.query(`UPDATE app.users SET name = '${name}' WHERE id = 1`);
  }

  it('is answered by its loader while Redis hangs, and by Redis when it is back', async () => {
    await rename('old');
    const app = await stage.app({ tables, cache: { timeoutMillis: 100 } });
    const { cacheflow } = app;
    await cacheflow.getOrLoad(KEY, user);
    stage.redisServer.pause();
    try {
      const began = performance.now();
      const reads = await Promise.all(Array.from({ length: 50 }, () => cacheflow.getOrLoad(KEY, user)));
      expect(reads.every((each) => each?.name === 'old')).toBe(true);
      expect(cacheflow.status().cache.bypassedSince).toBeGreaterThan(0);
      // Nobody waits for Redis any more, and one load serves all who came before it.
      const loadsBefore = cacheflow.status().cache.loads;
      const held = new HeldLoad(user);
      const herd = Array.from({ length: 50 }, () => cacheflow.getOrLoad(KEY, held.load));
      await held.hasRead;
      held.release();
      await Promise.all(herd);
      expect(cacheflow.status().cache.loads - loadsBefore).toBeLessThanOrEqual(3);
      expect(performance.now() - began).toBeLessThan(3_000);
      expect(app.errors.filter(({ code }) => code === 'CACHEFLOW_CACHE_BYPASSED')).toHaveLength(1);
    } finally {
      stage.redisServer.resume();
    }
    await waitFor(async () => {
      const { hits } = cacheflow.status().cache;
      await cacheflow.getOrLoad(KEY, user);
      return cacheflow.status().cache.hits > hits;
    });
    expect(cacheflow.status().cache.bypassedSince).toBeUndefined();
  });

  it('does not notice that Redis was killed, and fills nothing with an old lease afterwards', async () => {
    await rename('old');
    const app = await stage.app({ tables, cache: { timeoutMillis: 200 } });
    const held = new HeldLoad(user);
    const read = app.cacheflow.getOrLoad(KEY, held.load);
    await held.hasRead;
    await stage.redisServer.kill();
    const began = performance.now();
    for (let count = 0; count < 20; count++) {
      expect((await app.cacheflow.getOrLoad(`${KEY}0`, user))?.name).toBe('old');
    }
    expect(performance.now() - began).toBeLessThan(3_000);
    await rename('new');
    await stage.redisServer.restart();
    held.release();
    expect((await read)?.name).toBe('old');
    await app.cacheflow.caughtUp({ timeoutMillis: 30_000 });
    await waitFor(() => app.cacheflow.getOrLoad(KEY, user).then((each) => each?.name === 'new'));
    expect(codesOf(app)).toContain('CACHEFLOW_CACHE_BYPASSED');
  });

  it('is served what a stalled tail left, unless it wants to be sure', async () => {
    await rename('old');
    const { cacheflow } = await stage.app({ tables, cache: { watermarkMillis: 50 } });
    await cacheflow.getOrLoad(KEY, user);
    const fresh = { maxStalenessMillis: 60_000 };
    await waitFor(async () => {
      const { hits } = cacheflow.status().cache;
      await cacheflow.getOrLoad(KEY, user, fresh);
      return cacheflow.status().cache.hits > hits;
    });
    cacheflow.pause();
    await rename('new');
    expect((await cacheflow.getOrLoad(KEY, user))?.name).toBe('old');
    await waitFor(
      async () => (await cacheflow.getOrLoad(KEY, user, { maxStalenessMillis: 200 }))?.name === 'new',
    );
    // The load of one that wants to be sure is there for the others too.
    expect((await cacheflow.getOrLoad(KEY, user))?.name).toBe('new');
    await rename('newer');
    // Nobody can tell any more.
    await stage.redis.del('cacheflow:default:watermark');
    const served = { maxStalenessMillis: 60_000, onUnknown: 'serve' } as const;
    expect((await cacheflow.getOrLoad(KEY, user, served))?.name).toBe('new');
    const [many] = await cacheflow.getManyOrLoad([KEY], async () => [await user()], {
      maxStalenessMillis: 60_000,
    });
    expect(many?.name).toBe('newer');
    // Known to be too old.
    await rename('newest');
    await stage.redis.set('cacheflow:default:watermark', JSON.stringify({ at: Date.now() - 70_000 }));
    expect((await cacheflow.getOrLoad(KEY, user, served))?.name).toBe('newest');
    cacheflow.resume();
    await cacheflow.caughtUp();
    await waitFor(async () => {
      const { hits } = cacheflow.status().cache;
      expect((await cacheflow.getOrLoad(KEY, user, { maxStalenessMillis: 2_000 }))?.name).toBe('newest');
      return cacheflow.status().cache.hits > hits;
    });
  });

  it('takes the word of another process for how fresh the cache is', async () => {
    await rename('old');
    const publisher = await stage.app({ tables, cache: { watermarkMillis: 50 } });
    const reader = await stage.app({ tables, cache: { watermarkMillis: 3_600_000 } });
    reader.cacheflow.pause();
    await waitFor(async () => {
      await reader.cacheflow.getOrLoad(KEY, user, { maxStalenessMillis: 1_000 });
      return reader.cacheflow.status().cache.hits > 0;
    });
    await publisher.close();
    const { hits } = reader.cacheflow.status().cache;
    await waitFor(async () => {
      const { misses } = reader.cacheflow.status().cache;
      await reader.cacheflow.getOrLoad(KEY, user, { maxStalenessMillis: 1_000 });
      return reader.cacheflow.status().cache.misses > misses;
    });
    expect(reader.cacheflow.status().cache.hits).toBeGreaterThanOrEqual(hits);
  });

  it('never says that the cache is fresh while a commit cannot be applied', async () => {
    await rename('old');
    const { cacheflow } = await stage.app({ tables, cache: { watermarkMillis: 20 } });
    const watermark = async (): Promise<number> =>
      (JSON.parse((await stage.redis.get('cacheflow:default:watermark')) ?? '{"at":0}') as { at: number }).at;
    await waitFor(async () => (await watermark()) > 0);
    const stall = await stallCommits(stage.sql);
    const writer = await createConnection(stage.sql.connectionOptions());
    let write;
    let held: number;
    try {
      write = writer.query("UPDATE app.users SET name = 'new' WHERE id = 1");
      await waitFor(() => cacheflow.status().barrier.waitingSince !== undefined);
      held = await watermark();
      const since = Date.now();
      await waitFor(() => Date.now() - since > 300);
      expect(await watermark()).toBe(held);
    } finally {
      await stall.end();
    }
    await write;
    await writer.end();
    await waitFor(async () => (await watermark()) > held);
  });

  it('sees its own write by its GTID', async () => {
    await rename('old');
    const { cacheflow } = await stage.app({ tables });
    await cacheflow.getOrLoad(KEY, user);
    cacheflow.pause();
    await rename('new');
    const after = await lastGtid();
    expect((await cacheflow.getOrLoad(KEY, user))?.name).toBe('old');
    expect((await cacheflow.getOrLoad(KEY, user, { after }))?.name).toBe('new');
    cacheflow.resume();
    await cacheflow.caughtUp();
    await cacheflow.getOrLoad(KEY, user);
    const { hits } = cacheflow.status().cache;
    expect((await cacheflow.getOrLoad(KEY, user, { after }))?.name).toBe('new');
    expect(cacheflow.status().cache.hits).toBe(hits + 1);
  });

  async function lastGtid(): Promise<string> {
    if (stage.kind === 'mariadb') {
      const [row] = await stage.sql.query<{ gtid: string }>('SELECT @@last_gtid AS gtid');
      return row?.gtid ?? '';
    }
    const [row] = await stage.sql.query<{ gtids: string }>('SELECT @@gtid_executed AS gtids');
    const [, uuid, last] =
      /^([\da-f-]{36}):(?:.*[-:])?(\d+)$/.exec((row?.gtids ?? '').replace(/\s/g, '')) ?? [];
    return `${uuid}:${last}`;
  }
});
