import { setTimeout as sleep } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import { Redis } from 'ioredis';
import { createPool } from 'mysql2/promise';
import { CacheflowModule, CacheflowService } from '../lib';
import { VisibilityBarrier } from '../lib/barrier/visibility-barrier';
import type { RedisServer, SqlServer } from '../test/support/servers';
import { paced } from './paced';
import { quantile } from './quantile';

const RATE_PER_SECOND = 500;
const WARM_UP = 1_000;
const UPDATES = 5_000;
const IDS = 2_000;

/** The same without the visibility barrier, which no option turns off: what it costs is the difference. */
export async function measureLatencyWithoutBarrier(
  sql: SqlServer,
  redisServer: RedisServer,
): Promise<Record<string, number>> {
  const { pass } = VisibilityBarrier.prototype;
  VisibilityBarrier.prototype.pass = () => Promise.resolve();
  try {
    return await measureLatency(sql, redisServer);
  } finally {
    VisibilityBarrier.prototype.pass = pass;
  }
}

/** Milliseconds from the moment a commit returned to its writer to the moment Redis told that the key is gone. */
export async function measureLatency(
  sql: SqlServer,
  redisServer: RedisServer,
): Promise<Record<string, number>> {
  class LatencyModule {}
  const name = 'latency';
  const app = await NestFactory.createApplicationContext(
    {
      module: LatencyModule,
      imports: [
        CacheflowModule.forRoot({
          name,
          mysql: sql.connectionOptions(),
          redis: { port: redisServer.port },
          tables: [{ db: 'bench', table: 'items' }],
        }),
      ],
    },
    { logger: ['error', 'warn'] },
  );
  await app.get<CacheflowService>(`CacheflowService:${name}`).caughtUp();
  await redisServer.command('CONFIG', 'SET', 'notify-keyspace-events', 'Eg');
  const redis = new Redis(redisServer.port);
  const subscriber = new Redis(redisServer.port);
  const pool = createPool({ ...sql.connectionOptions(), connectionLimit: 16 });
  const goneAt = new Map<string, number>();
  await subscriber.subscribe('__keyevent@0__:del');
  subscriber.on('message', (_channel, key) => goneAt.set(key, performance.now()));

  const latencies: number[] = [];
  const seconds = (WARM_UP + UPDATES) / RATE_PER_SECOND;
  await paced({ perSecond: RATE_PER_SECOND, seconds }, update);
  subscriber.disconnect();
  redis.disconnect();
  await pool.end();
  await app.close();
  const at = (share: number): number => Number(quantile(latencies, share).toFixed(2));
  return { samples: latencies.length, 'p50 ms': at(0.5), 'p99 ms': at(0.99), 'max ms': at(1) };

  async function update(index: number): Promise<void> {
    const id = index % IDS;
    const key = `bench:items:${id}`;
    await redis.set(key, 'cached');
    goneAt.delete(key);
    await pool.query('UPDATE bench.items SET price = price + 1 WHERE id = ?', [id]);
    const committed = performance.now();
    while (!goneAt.has(key)) await sleep(1);
    // The event may overtake the reply to the writer.
    if (index >= WARM_UP) latencies.push(Math.max(0, (goneAt.get(key) ?? committed) - committed));
  }
}
