import { NestFactory } from '@nestjs/core';
import { CacheflowModule, CacheflowService } from '../../../lib';
import type { Item } from '../items';
import type { WayDefinition } from './way';
import { TTL_SECONDS } from './way';

const CATCH_UP_MILLIS = 120_000;

/** This library: the tail with its barrier, and readers with leases. */
export const cacheflow: WayDefinition = {
  name: 'cacheflow',
  label: 'nestjs-cacheflow',
  async open({ sql, redis }) {
    class RacesModule {}
    const app = await NestFactory.createApplicationContext(
      {
        module: RacesModule,
        imports: [
          CacheflowModule.forRoot({
            mysql: sql.connectionOptions(),
            redis,
            tables: [{ db: 'races', table: 'items' }],
          }),
        ],
      },
      { logger: ['error', 'warn'] },
    );
    const service = app.get(CacheflowService);
    await service.caughtUp({ timeoutMillis: CATCH_UP_MILLIS });
    return {
      read: (key, load) => service.getOrLoad<Item>(key, load, { ttlSeconds: TTL_SECONDS }),
      write: (_key, commit) => commit(),
      settle: () => service.caughtUp({ timeoutMillis: CATCH_UP_MILLIS }),
      close: () => app.close(),
    };
  },
};
