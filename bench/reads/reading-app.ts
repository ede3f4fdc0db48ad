import { NestFactory } from '@nestjs/core';
import { Redis } from 'ioredis';
import type { CacheflowService } from '../../lib';
import { CacheflowModule, getCacheflowToken } from '../../lib';
import type { RedisServer, SqlServer } from '../../test/support/servers';

/** An application that reads through the cache, with a Redis client of its own. */
export interface ReadingApp {
  readonly service: CacheflowService;
  readonly redis: Redis;
  close(): Promise<void>;
}

export async function openReadingApp(
  sql: SqlServer,
  redisServer: RedisServer,
  name: string,
): Promise<ReadingApp> {
  class ReadsModule {}
  const redis = new Redis(redisServer.connectionOptions());
  const app = await NestFactory.createApplicationContext(
    {
      module: ReadsModule,
      imports: [
        CacheflowModule.forRoot({
          name,
          mysql: sql.connectionOptions(),
          redis,
          tables: [{ db: 'bench', table: 'items' }],
        }),
      ],
    },
    { logger: ['error', 'warn'] },
  );
  const service = app.get<CacheflowService>(getCacheflowToken(name));
  await service.caughtUp();
  return {
    service,
    redis,
    async close() {
      await app.close();
      redis.disconnect();
    },
  };
}
