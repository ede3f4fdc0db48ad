// A whole application in a process of its own, so that a test can kill it: boots with the options given as JSON,
// says 'ready', answers 'report' with its memory and status, 'caughtUp' when it is, 'hold <key>' once it has the lease
// of the key, 'close' by closing.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { Cluster } from 'ioredis';
import type { CacheflowOptions, CacheflowStatus } from '../../lib';
import { CacheflowModule, CacheflowService } from '../../lib';
import type { RedisAddress } from './redis/address';
import { appSource } from './redis/address';

/** What the process is started with. */
export type ProcessOptions = Omit<CacheflowOptions, 'redis'> & {
  readonly redis?: CacheflowOptions['redis'];
  /** In place of `redis`, where that is a client. */
  readonly redisAddress?: RedisAddress | undefined;
  readonly countEvents?: boolean;
};

/** What the process tells of itself. */
export interface ProcessReport {
  readonly status: CacheflowStatus;
  readonly events: number;
  readonly peakRssBytes: number;
  readonly mostQueuedRows: number;
  readonly longestBlockMillis: number;
}

async function main(): Promise<void> {
  class ProcessModule {}
  const options = JSON.parse(process.argv[2] ?? '{}') as ProcessOptions;
  const { countEvents, redisAddress, ...rest } = options;
  const redis = redisAddress ? appSource(redisAddress) : (rest.redis ?? {});
  const app = await NestFactory.createApplicationContext(
    { module: ProcessModule, imports: [CacheflowModule.forRoot({ ...rest, redis })] },
    { logger: ['error', 'warn'] },
  );
  const cacheflow = app.get(CacheflowService);
  let events = 0;
  let mostQueuedRows = 0;
  let longestBlockMillis = 0;
  let last = performance.now();
  if (countEvents) cacheflow.events$.subscribe(() => events++);
  const sampler = setInterval(() => {
    const now = performance.now();
    longestBlockMillis = Math.max(longestBlockMillis, now - last);
    last = now;
    mostQueuedRows = Math.max(mostQueuedRows, cacheflow.status().queuedRows);
  }, 1);
  const report = (): ProcessReport => ({
    status: cacheflow.status(),
    events,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    mostQueuedRows,
    longestBlockMillis,
  });
  process.on('message', (message) => {
    if (message === 'report') process.send?.(report());
    if (message === 'caughtUp') {
      cacheflow.caughtUp({ timeoutMillis: 120_000 }).then(
        () => process.send?.('caughtUp'),
        (error: Error) => process.send?.({ error: error.message }),
      );
    }
    if (typeof message === 'string' && message.startsWith('hold ')) {
      // A reader that has the lease of a key and never comes back.
      void cacheflow.getOrLoad(message.slice('hold '.length), () => {
        process.send?.('holding');
        return new Promise(() => undefined);
      });
    }
    if (message === 'close') {
      clearInterval(sampler);
      app.close().then(
        () => {
          // A client is the app's to close.
          if (redis instanceof Cluster) redis.disconnect();
          process.disconnect?.();
        },
        () => process.exit(1),
      );
    }
  });
  process.send?.('ready');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
