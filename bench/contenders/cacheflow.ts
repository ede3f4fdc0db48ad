import { NestFactory } from '@nestjs/core';
import type { CacheStrategy } from '../../lib';
import { CacheflowModule, CacheflowService } from '../../lib';
import type { Contender } from '../job';

const POLL_MILLIS = 5;

/** This library, from boot to caught up. */
export function cacheflow(strategy: CacheStrategy, withEvents = false): Contender {
  return async (job, onHalf) => {
    class BenchModule {}
    const app = await NestFactory.createApplicationContext(
      {
        module: BenchModule,
        imports: [
          CacheflowModule.forRoot({
            name: `bench-${process.pid}`,
            mysql: job.mysql,
            redis: { port: job.redisPort },
            tables: [{ db: 'bench', table: 'items', strategy }],
            startAt: job.start,
          }),
        ],
      },
      { logger: ['error', 'warn'] },
    );
    const service = app.get<CacheflowService>(`CacheflowService:bench-${process.pid}`);
    let events = 0;
    if (withEvents) service.events$.subscribe(() => events++);
    let half = false;
    const timer = setInterval(() => {
      if (half || service.status().counters.changes < job.rows / 2) return;
      half = true;
      onHalf();
    }, POLL_MILLIS);
    await service.caughtUp({ timeoutMillis: 600_000 });
    clearInterval(timer);
    const { changes } = service.status().counters;
    if (changes !== job.rows) throw new Error(`${changes} changes instead of ${job.rows}`);
    if (withEvents && events !== job.rows) throw new Error(`${events} events instead of ${job.rows}`);
    await app.close();
  };
}
