import { createPool } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { describeEachSql } from '../support/each-sql';
import type { TailProcess } from '../support/spawn-tail';
import { waitFor } from '../support/wait-for';

const SCHEMA = `
  CREATE DATABASE crash;
  CREATE TABLE crash.aside (id INT PRIMARY KEY, value INT);
  CREATE TABLE crash.through (id INT PRIMARY KEY, value INT);
  CREATE TABLE crash.thousand (n INT PRIMARY KEY);
  CREATE TABLE crash.big (id INT PRIMARY KEY, note VARCHAR(100));`;
const KILLS = 6;
const WRITERS = 4;
const ROWS = 200;

describeEachSql('an application that dies', { schema: SCHEMA }, (stage) => {
  it('skips nothing when it is killed in mid-stream (promise 1)', async () => {
    const options = stage.options({
      tables: [
        { db: 'crash', table: 'aside' },
        { db: 'crash', table: 'through', strategy: 'write-through' },
      ],
    });
    const ids = Array.from({ length: ROWS }, (_, id) => id);
    await stage.sql.query('INSERT INTO crash.aside VALUES ?', [ids.map((id) => [id, 0])]);
    let tail: TailProcess = await stage.spawn(options);
    await tail.caughtUp();

    const pool = createPool({ ...stage.sql.connectionOptions(), connectionLimit: WRITERS });
    const fresh = new Set(ids);
    let writing = true;
    let writes = 0;
    const writer = async (): Promise<void> => {
      while (writing) {
        const id = writes++;
        await pool.query('REPLACE INTO crash.through VALUES (?, ?)', [id % ROWS, id]);
        // Each key of this table is cached once, before its row changes for the last time.
        const [next] = fresh;
        if (next === undefined || id % 5 !== 0) continue;
        fresh.delete(next);
        await stage.redis.set(`crash:aside:${next}`, 'cached');
        await pool.query('UPDATE crash.aside SET value = 1 WHERE id = ?', [next]);
      }
    };
    const writers = Array.from({ length: WRITERS }, writer);
    for (let kill = 0; kill < KILLS; kill++) {
      const before = writes;
      await waitFor(() => writes > before + 150, { message: 'writes while the application runs' });
      await tail.kill();
      const after = writes;
      await waitFor(() => writes > after + 20, { message: 'writes while it is gone' });
      tail = await stage.spawn(options);
    }
    await waitFor(() => fresh.size === 0, { message: 'all keys to be cached once', timeoutMillis: 30_000 });
    writing = false;
    await Promise.all(writers);
    await pool.end();
    await tail.caughtUp();

    expect(await stage.redis.mget(ids.map((id) => `crash:aside:${id}`))).toEqual(ids.map(() => null));
    const rows = await stage.sql.query<{ id: number; value: number }>(
      'SELECT id, value FROM crash.through ORDER BY id',
    );
    const cached = await stage.redis.mget(rows.map(({ id }) => `crash:through:${id}`));
    expect(cached.map((value) => JSON.parse(value ?? 'null') as unknown)).toEqual(rows);
    expect(await tail.close()).toBe(0);
  });

  it('gets through a transaction of a million rows in bounded memory (promise 4)', async () => {
    await stage.sql.query(
      `INSERT INTO crash.thousand VALUES ${Array.from({ length: 1_000 }, (_, n) => `(${n})`).join()}`,
    );
    const options = { ...stage.options({ tables: [{ db: 'crash', table: 'big' }] }), countEvents: true };
    const tail = await stage.spawn(options);
    await tail.caughtUp();
    const sample = Array.from({ length: 1_000 }, (_, n) => `crash:big:${n * 1_000 + 7}`);
    await stage.cache(...sample);
    const checkpoint = (): Promise<string | null> => stage.redis.get('cacheflow:default:checkpoint');
    await waitFor(async () => (await checkpoint()) !== null, { message: 'the first checkpoint' });
    const start = await checkpoint();
    const inserted = stage.sql.query(
      "INSERT INTO crash.big SELECT a.n + 1000 * b.n, REPEAT('x', 80) FROM crash.thousand a, crash.thousand b",
    );
    await waitFor(async () => (await tail.report()).events > 100_000, {
      message: 'the middle of the transaction',
      timeoutMillis: 50_000,
    });
    // The checkpoint stays before the transaction until all of it was applied.
    expect(await checkpoint()).toBe(start);
    await inserted;
    await tail.caughtUp();
    const report = await tail.report();
    expect(report.events).toBe(1_000_000);
    expect(report.peakRssBytes).toBeLessThan(250e6);
    expect(report.mostQueuedRows).toBeLessThan(10_000);
    expect(await stage.redis.mget(sample)).toEqual(sample.map(() => null));
    await waitFor(async () => (await checkpoint()) !== start, { message: 'the checkpoint to move' });
    expect(await tail.close()).toBe(0);
  });
});
