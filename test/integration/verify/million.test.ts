import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TestApp } from '../../support/app';
import { startApp } from '../../support/app';
import type { RedisServer, SqlServer } from '../../support/servers';
import { startMysql, startRedis } from '../../support/servers';
import { runCli } from '../../support/verify-cli';

const ROWS = 1_000_000;
const CHUNK = 1_000;
/** The young generation comes on top, and so does what Node itself takes. */
const HEAP_MEGABYTES = 48;

let sql: SqlServer;
let redisServer: RedisServer;
let redis: Redis;
let app: TestApp | undefined;

beforeAll(async () => {
  [sql, redisServer] = await Promise.all([startMysql({ fast: true }), startRedis()]);
  redis = new Redis({ port: redisServer.port });
});
afterAll(async () => {
  await app?.close();
  redis?.disconnect();
  await Promise.all([sql?.dispose(), redisServer?.dispose()]);
});

const valueOf = (id: number): string => JSON.stringify({ id, state: 1, note: `note of ${id}` });

/** Rows 1 to ROWS, each with its key but for the last thousand. */
async function fill(): Promise<void> {
  await sql.query(
    'CREATE DATABASE shop; CREATE TABLE shop.items (id INT PRIMARY KEY, state INT, note VARCHAR(50))',
  );
  await sql.query('SET SESSION cte_max_recursion_depth = 1000000, sql_log_bin = 0');
  const inserted = sql.query(`INSERT INTO shop.items SELECT seq, 1, CONCAT('note of ', seq) FROM (
    WITH RECURSIVE s (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM s WHERE seq < ${ROWS}) SELECT seq FROM s) AS t`);
  for (let from = 1; from <= ROWS - CHUNK; from += CHUNK) {
    const pairs: string[] = [];
    for (let id = from; id < from + CHUNK; id++) pairs.push(`shop:items:${id}`, valueOf(id));
    await redis.mset(pairs);
  }
  await inserted;
  await sql.query('SET SESSION sql_log_bin = 1');
}

it('goes through a million keys in bounded memory while rows are written, and finds what was planted', async () => {
  await fill();
  const options = {
    mysql: sql.connectionOptions(),
    redis: { port: redisServer.port },
    tables: [{ db: 'shop', table: 'items', strategy: 'write-through' as const }],
  };
  app = await startApp(options);
  await app.cacheflow.caughtUp();
  // Ids that the writer leaves alone.
  const stale = Array.from({ length: 50 }, (_, n) => 10_007 + n * 19_000);
  const orphans = Array.from({ length: 50 }, (_, n) => 2_000_000 + n);
  await redis.mset(stale.flatMap((id) => [`shop:items:${id}`, valueOf(id + 1)]));
  await redis.mset(orphans.flatMap((id) => [`shop:items:${id}`, valueOf(id)]));
  await redis.mset(orphans.flatMap((id) => [`shop:items:${id + 1_000}`, 'null']));

  let on = true;
  let written = 0;
  const writer = (async () => {
    for (; on; written += 10) {
      const from = 1 + Math.floor(Math.random() * 1_000) * 1_000;
      await sql.query('UPDATE shop.items SET state = 1 - state WHERE id BETWEEN ? AND ?', [from, from + 5]);
      await sql.query('UPDATE shop.items SET state = 1 - state WHERE id BETWEEN 1 AND 4');
      // The machine has other work as well.
      await pause(10);
    }
  })();
  try {
    const run = await runCli(`module.exports = ${JSON.stringify(options)}`, ['--json'], {
      execArgv: [`--max-old-space-size=${HEAP_MEGABYTES}`],
    });
    const faults = run.lines
      .filter((line) => line.includes('"kind"'))
      .map((line) => JSON.parse(line).key as string);
    expect(run.err).not.toContain('false alarms');
    expect(faults.sort()).toEqual([...stale, ...orphans].map((id) => `shop:items:${id}`).sort());
    expect(run.code).toBe(1);
    expect(run.summary).toMatchObject({ rows: ROWS, keys: ROWS, stale: 50, orphans: 50 });
    // The first four rows hardly ever stand still.
    expect(Number(run.summary['undecided'])).toBeLessThanOrEqual(4);
    expect(Number(run.summary['cached'])).toBeGreaterThan(ROWS - 2 * CHUNK);
    expect(written).toBeGreaterThan(1_000);
    console.info(
      `peak of verify: ${Math.round(run.peakRssBytes / 2 ** 20)} MiB; ${written} rows written meanwhile`,
    );
    expect(run.peakRssBytes).toBeLessThan(250 * 2 ** 20);
  } finally {
    on = false;
    await writer;
  }
}, 180_000);
