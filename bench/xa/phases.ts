import { setTimeout as sleep } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import { createPool } from 'mysql2/promise';
import type { CacheflowService } from '../../lib';
import { CacheflowModule, getCacheflowToken } from '../../lib';
import type { RedisServer, SqlServer } from '../../test/support/servers';
import { XaWriter } from './xa-writer';

const NAME = 'bench-xa';
/** Rows of each table. */
const ROWS = 2_000;
const READERS = 8;
/** Of the phase before there is XA, in parts of the other one. */
const BEFORE = 0.1;
const SCHEMA = `
  CREATE DATABASE bench;
  CREATE TABLE bench.moved (id INT PRIMARY KEY, v INT NOT NULL);
  CREATE TABLE bench.read_only (id INT PRIMARY KEY, v INT NOT NULL);`;

/** What was seen in one phase. */
export interface Phase {
  readonly seconds: number;
  readonly reads: number;
  /** Percent of the reads that needed no loader. */
  readonly hitRate: number;
  readonly committed: number;
  readonly rolledBack: number;
  /** Row changes that came as events. */
  readonly events: number;
  /** Keys that were removed because all of a table had to go. */
  readonly flushed: number;
  readonly errors: number;
}

interface Counts {
  reads: number;
  misses: number;
  events: number;
  errors: number;
}

/** Reads a warm table, at first alone, then beside XA transactions on another table. */
export async function measurePhases(
  sql: SqlServer,
  redis: RedisServer,
  { seconds, rate }: { readonly seconds: number; readonly rate: number },
): Promise<{ without: Phase; during: Phase }> {
  await sql.query(SCHEMA);
  const rows = Array.from({ length: ROWS }, (_, id) => [id, 0]);
  for (const table of ['moved', 'read_only']) await sql.query('INSERT INTO bench.?? VALUES ?', [table, rows]);
  class XaModule {}
  const app = await NestFactory.createApplicationContext(
    {
      module: XaModule,
      imports: [
        CacheflowModule.forRoot({
          name: NAME,
          mysql: sql.connectionOptions(),
          redis: { port: redis.port },
          tables: [{ db: 'bench', table: '*' }],
        }),
      ],
    },
    { logger: ['error', 'warn'] },
  );
  const cacheflow = app.get<CacheflowService>(getCacheflowToken(NAME) as string);
  const pool = createPool({ ...sql.connectionOptions(), database: 'bench', connectionLimit: READERS });
  const writer = new XaWriter(sql, ROWS);
  const counts: Counts = { reads: 0, misses: 0, events: 0, errors: 0 };
  cacheflow.events$.subscribe(() => counts.events++);
  cacheflow.errors$.subscribe(() => counts.errors++);
  const read = async (id: number): Promise<void> => {
    counts.reads++;
    await cacheflow.getOrLoad(`bench:read_only:${id}`, async () => {
      counts.misses++;
      const [found] = await pool.query('SELECT * FROM read_only WHERE id = ?', [id]);
      return (found as unknown[])[0];
    });
  };
  const phase = async (length: number, work: () => Promise<void>): Promise<Phase> => {
    Object.assign(counts, { reads: 0, misses: 0, events: 0, errors: 0 });
    const flushedBefore = cacheflow.status().counters.flushed;
    const { committed, rolledBack } = writer;
    const started = performance.now();
    const end = started + length * 1_000;
    const readers = Array.from({ length: READERS }, async (_, reader) => {
      for (let at = reader; performance.now() < end; at += READERS) {
        await read((at * 7_919) % ROWS);
        // Leaves the machine to the servers.
        if (at % 64 === reader) await sleep(1);
      }
    });
    await Promise.all([...readers, work()]);
    await cacheflow.caughtUp({ timeoutMillis: 60_000 });
    return {
      seconds: (performance.now() - started) / 1_000,
      reads: counts.reads,
      hitRate: 100 * (1 - counts.misses / counts.reads),
      committed: writer.committed - committed,
      rolledBack: writer.rolledBack - rolledBack,
      events: counts.events,
      flushed: cacheflow.status().counters.flushed - flushedBefore,
      errors: counts.errors,
    };
  };
  try {
    await cacheflow.caughtUp();
    for (let id = 0; id < ROWS; id++) await read(id);
    const without = await phase(Math.max(2, seconds * BEFORE), async () => undefined);
    const during = await phase(seconds, () => writer.run(seconds, rate));
    if (during.events !== during.committed) {
      throw new Error(`${during.events} events of ${during.committed} committed changes`);
    }
    return { without, during };
  } finally {
    await writer.close();
    await app.close();
    await pool.end();
  }
}
