import { createConnection } from 'mysql2/promise';
import { expect, it } from 'vitest';
import type { CacheflowService, ChangeEvent, ReadOptions, TableStrategy } from '../../lib';
import { describeEachSql } from '../support/each-sql';
import type { Stage } from '../support/each-sql';
import { HeldLoad } from '../support/held-load';
import { stallCommits } from '../support/commit-stall';
import { waitFor } from '../support/wait-for';

// Each test is one order of events between readers, the tail and Redis. A plain get, load, set leaves an old value
// behind in every one of them.

const schema = `CREATE DATABASE app;
  CREATE TABLE app.users (id INT PRIMARY KEY, name VARCHAR(50)) ENGINE=InnoDB;
  CREATE TABLE app.settings (id INT PRIMARY KEY, name VARCHAR(50)) ENGINE=InnoDB;`;
const tables = [
  { db: 'app', table: 'users' },
  { db: 'app', table: 'settings', strategy: 'write-through' as const },
];
const KEY = 'app:users:1';
const RECORD = `cf:{${KEY}}`;
const WRITTEN = 'app:settings:1';

interface Named {
  id: number;
  name: string;
}

describeEachSql('a read that races a change', { schema }, (stage) => {
  const readerOf = (table: string) => async (): Promise<Named | null> =>
    (await stage.sql.query<Named>(`SELECT * FROM app.${table} WHERE id = 1`))[0] ?? null;
  const user = readerOf('users');
  const setting = readerOf('settings');

  async function name(table: string, value: string): Promise<void> {
    await stage.sql.query(`REPLACE INTO app.${table} VALUES (1, '${value}')`);
  }

  /** An app with one row, and nothing in the cache. */
  async function begin(): Promise<CacheflowService> {
    const { cacheflow } = await stage.app({ tables });
    await name('users', 'old');
    await name('settings', 'old');
    await cacheflow.caughtUp();
    return cacheflow;
  }

  async function other(): Promise<CacheflowService> {
    return (await stage.app({ name: 'other', tables })).cacheflow;
  }

  async function expectFresh(cacheflow: CacheflowService, value: string): Promise<void> {
    expect((await cacheflow.getOrLoad(KEY, user))?.name).toBe(value);
    expect((await cacheflow.getOrLoad(KEY, user))?.name).toBe(value);
    expect(await cached(stage, KEY)).toBe(value);
  }

  it('does not fill after an invalidation', async () => {
    const cacheflow = await begin();
    const held = new HeldLoad(user);
    const read = cacheflow.getOrLoad(KEY, held.load);
    await held.hasRead;
    await name('users', 'new');
    await cacheflow.caughtUp();
    held.release();
    // As old as its own read, which was right when it began.
    expect((await read)?.name).toBe('old');
    expect(await stage.redis.exists(KEY)).toBe(0);
    expect(cacheflow.status().cache).toMatchObject({ fills: 0, refusedFills: 1 });
    await expectFresh(cacheflow, 'new');
  });

  it('does not keep what was filled from a row whose commit could not be read yet', async () => {
    const cacheflow = await begin();
    const stall = await stallCommits(stage.sql);
    // The stage's own connection is the one that does not come back.
    const writer = await createConnection(stage.sql.connectionOptions());
    let write;
    try {
      write = writer.query("REPLACE INTO app.users VALUES (1, 'new')");
      await waitFor(() => cacheflow.status().barrier.waitingSince !== undefined, {
        message: 'the barrier to hold',
      });
      expect((await cacheflow.getOrLoad(KEY, user))?.name).toBe('old');
      expect(await cached(stage, KEY)).toBe('old');
    } finally {
      await stall.end();
    }
    await write;
    await writer.end();
    await cacheflow.caughtUp();
    expect(await stage.redis.exists(KEY)).toBe(0);
    await expectFresh(cacheflow, 'new');
  });

  it('does not fill when an invalidation passed before another lease was given', async () => {
    const [cacheflow, second] = [await begin(), await other()];
    const slow = new HeldLoad(user);
    const slowRead = cacheflow.getOrLoad(KEY, slow.load);
    await slow.hasRead;
    await name('users', 'new');
    // Both tails, because either takes leases away.
    await Promise.all([cacheflow.caughtUp(), second.caughtUp()]);
    const next = new HeldLoad(user);
    const nextRead = second.getOrLoad(KEY, next.load);
    await next.hasRead;
    slow.release();
    expect((await slowRead)?.name).toBe('old');
    expect(await stage.redis.exists(KEY)).toBe(0);
    next.release();
    expect((await nextRead)?.name).toBe('new');
    await expectFresh(second, 'new');
  });

  it('does not fill when its record has expired', async () => {
    const cacheflow = await begin();
    const held = new HeldLoad(user);
    const read = cacheflow.getOrLoad(KEY, held.load, { leaseMillis: 50 });
    await held.hasRead;
    await waitFor(async () => (await stage.redis.exists(RECORD)) === 0, { message: 'the lease to expire' });
    // Finds neither a value nor a lease to remove.
    await name('users', 'new');
    await cacheflow.caughtUp();
    held.release();
    await read;
    expect(await stage.redis.exists(KEY)).toBe(0);
    expect(cacheflow.status().cache).toMatchObject({ refusedFills: 1 });
    await expectFresh(cacheflow, 'new');
  });

  it('does not fill when its record was evicted', async () => {
    const cacheflow = await begin();
    const held = new HeldLoad(user);
    const read = cacheflow.getOrLoad(KEY, held.load);
    await held.hasRead;
    await stage.redis.del(RECORD);
    await name('users', 'new');
    await cacheflow.caughtUp();
    held.release();
    await read;
    await expectFresh(cacheflow, 'new');
  });

  it('does not fill after invalidate() or a flush of the table', async () => {
    const cacheflow = await begin();
    for (const lose of [
      () => cacheflow.invalidate(KEY),
      async () => {
        await stage.sql.query('TRUNCATE TABLE app.users');
        await cacheflow.caughtUp();
      },
    ]) {
      const held = new HeldLoad(user);
      const read = cacheflow.getOrLoad(KEY, held.load);
      await held.hasRead;
      await lose();
      held.release();
      await read;
      expect(await stage.redis.exists(KEY)).toBe(0);
      expect(await stage.redis.exists(RECORD)).toBe(0);
    }
  });

  it('goes on without a holder that was killed, and fills again when its lease has ended', async () => {
    const cacheflow = await begin();
    const holder = await stage.spawn({
      ...stage.options({ tables, cache: { leaseMillis: 1_500 } }),
    });
    await holder.hold(KEY);
    await holder.kill();
    const began = performance.now();
    expect((await cacheflow.getOrLoad(KEY, user, { waitMillis: 50 }))?.name).toBe('old');
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(await stage.redis.exists(KEY)).toBe(0);
    expect(cacheflow.status().cache).toMatchObject({ unleased: 1, fills: 0 });
    // Whoever waits long enough gets the lease when it ends.
    expect((await cacheflow.getOrLoad(KEY, user, { waitMillis: 10_000 }))?.name).toBe('old');
    expect(await cached(stage, KEY)).toBe('old');
  });

  it('gives a waiter the value of the holder', async () => {
    const [cacheflow, second] = [await begin(), await other()];
    const held = new HeldLoad(user);
    const read = cacheflow.getOrLoad(KEY, held.load);
    await held.hasRead;
    const waiter = new HeldLoad(user);
    const waits = second.getOrLoad(KEY, waiter.load, { waitMillis: 10_000 });
    await waitFor(() => second.status().cache.misses === 1);
    held.release();
    expect([(await read)?.name, (await waits)?.name]).toEqual(['old', 'old']);
    expect(waiter.calls).toBe(0);
  });

  it('gives the lease to the first waiter after an invalidation, and its value to the second', async () => {
    const [cacheflow, second] = [await begin(), await other()];
    const third = (await stage.app({ name: 'third', tables })).cacheflow;
    // Each tail removes the key in its time, and the lease with it; here one is to do so.
    second.pause();
    third.pause();
    const held = new HeldLoad(user);
    const read = cacheflow.getOrLoad(KEY, held.load);
    await held.hasRead;
    const [first, last] = [new HeldLoad(user), new HeldLoad(user)];
    const waiting = { waitMillis: 20_000 } satisfies ReadOptions;
    const waits = [second.getOrLoad(KEY, first.load, waiting), third.getOrLoad(KEY, last.load, waiting)];
    await waitFor(() => second.status().cache.misses + third.status().cache.misses === 2);
    await name('users', 'new');
    await cacheflow.caughtUp();
    await Promise.race([first.hasRead, last.hasRead]);
    held.release();
    expect((await read)?.name).toBe('old');
    expect(await stage.redis.exists(KEY)).toBe(0);
    first.release();
    last.release();
    expect((await Promise.all(waits)).map((each) => each?.name)).toEqual(['new', 'new']);
    expect(first.calls + last.calls).toBe(1);
    await expectFresh(cacheflow, 'new');
  });

  it('does not hand a load that began before a change to who comes after it', async () => {
    const cacheflow = await begin();
    const held = new HeldLoad(user);
    const read = cacheflow.getOrLoad(KEY, held.load);
    await held.hasRead;
    await name('users', 'new');
    await cacheflow.caughtUp();
    // Read your own write, while another caller of this process is still loading.
    const late = Promise.all(Array.from({ length: 5 }, () => cacheflow.getOrLoad(KEY, user)));
    await waitFor(() => cacheflow.status().cache.misses === 6);
    held.release();
    expect((await read)?.name).toBe('old');
    expect((await late).map((each) => each?.name)).toEqual(Array(5).fill('new'));
    expect(cacheflow.status().cache.loads).toBe(2);
  });

  it('lets write-through win over a fill', async () => {
    const cacheflow = await begin();
    // As when its time to live is over.
    await stage.redis.del(WRITTEN);
    const held = new HeldLoad(setting);
    const read = cacheflow.getOrLoad(WRITTEN, held.load);
    await held.hasRead;
    await name('settings', 'new');
    await cacheflow.caughtUp();
    held.release();
    expect((await read)?.name).toBe('old');
    expect(await cached(stage, WRITTEN)).toBe('new');
    expect(cacheflow.status().cache).toMatchObject({ refusedFills: 1 });
  });

  it('keeps the version of a written key through a lease and a fill', async () => {
    const cacheflow = await begin();
    const record = `cf:{${WRITTEN}}`;
    const version = await stage.redis.get(record);
    await stage.redis.del(WRITTEN);
    const held = new HeldLoad(setting);
    const read = cacheflow.getOrLoad(WRITTEN, held.load);
    await held.hasRead;
    expect(await stage.redis.get(record)).toMatch(new RegExp(`^${version}~\\d{13}`));
    held.release();
    await read;
    expect(await stage.redis.get(record)).toBe(version);
    expect(await stage.redis.ttl(record)).toBeGreaterThan(80_000);
    await name('settings', 'new');
    await cacheflow.caughtUp();
    expect(await cached(stage, WRITTEN)).toBe('new');
  });

  it('ends the lease of a written key with its time, and with invalidate(), though its version stays', async () => {
    const [cacheflow, second] = [await begin(), await other()];
    await stage.redis.del(WRITTEN);
    const slow = new HeldLoad(setting);
    const slowRead = cacheflow.getOrLoad(WRITTEN, slow.load, { leaseMillis: 50 });
    await slow.hasRead;
    const next = new HeldLoad(setting);
    const nextRead = second.getOrLoad(WRITTEN, next.load, { waitMillis: 20_000 });
    await next.hasRead;
    await second.invalidate(WRITTEN);
    next.release();
    slow.release();
    await Promise.all([slowRead, nextRead]);
    expect(await stage.redis.exists(WRITTEN)).toBe(0);
    expect(cacheflow.status().cache).toMatchObject({ fills: 0, refusedFills: 1 });
    expect(second.status().cache).toMatchObject({ fills: 0, refusedFills: 1, unleased: 0 });
  });

  it('does not fill over what a strategy of the app has written', async () => {
    class Writes implements TableStrategy<Named> {
      readonly redis = stage.redis;
      onInsert = (event: ChangeEvent<Named>): Promise<void> => this.write(event);
      onUpdate = (event: ChangeEvent<Named>): Promise<void> => this.write(event);
      onDelete = (): void => undefined;
      private async write({ after }: ChangeEvent<Named>): Promise<void> {
        await this.redis.set(KEY, JSON.stringify(after));
      }
    }
    await name('users', 'old');
    const { cacheflow } = await stage.app({
      tables: [{ db: 'app', table: 'users', strategy: Writes }],
    });
    const held = new HeldLoad(user);
    const read = cacheflow.getOrLoad(KEY, held.load);
    await held.hasRead;
    await name('users', 'new');
    await cacheflow.caughtUp();
    held.release();
    await read;
    expect(await cached(stage, KEY)).toBe('new');
  });

  it('forgets that there was nothing when a row is inserted', async () => {
    const cacheflow = await begin();
    await stage.sql.query('DELETE FROM app.users');
    await cacheflow.caughtUp();
    expect(await cacheflow.getOrLoad(KEY, user)).toBeNull();
    expect(await stage.redis.get(KEY)).toBe('null');
    expect(await stage.redis.ttl(KEY)).toBeLessThanOrEqual(60);
    const counted = new HeldLoad(user);
    expect(await cacheflow.getOrLoad(KEY, counted.load)).toBeNull();
    expect(counted.calls).toBe(0);
    await name('users', 'new');
    await cacheflow.caughtUp();
    await expectFresh(cacheflow, 'new');
  });

  it('does not cache that there is nothing when a row was inserted meanwhile', async () => {
    const cacheflow = await begin();
    for (const [table, key, read] of [
      ['users', KEY, user],
      ['settings', WRITTEN, setting],
    ] as const) {
      await stage.sql.query(`DELETE FROM app.${table}`);
      await cacheflow.caughtUp();
      const held = new HeldLoad(read);
      const reading = cacheflow.getOrLoad(key, held.load);
      await held.hasRead;
      await name(table, 'new');
      await cacheflow.caughtUp();
      held.release();
      expect(await reading).toBeNull();
      expect((await cacheflow.getOrLoad(key, read))?.name).toBe('new');
      expect(await cached(stage, key)).toBe('new');
    }
  });
});

/** The name of the row that is cached. */
async function cached(stage: Stage, key: string): Promise<string | undefined> {
  const text = await stage.redis.get(key);
  return text === null ? undefined : (JSON.parse(text) as Named | null)?.name;
}
