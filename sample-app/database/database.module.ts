import { Global, Inject, Logger, Module, type OnApplicationShutdown } from '@nestjs/common';
import { Redis } from 'ioredis';
import { AppConfig } from '../app.config';
import { DatabaseService } from './database.service';

const logger = new Logger('Redis');

function connectRedis(config: AppConfig): Redis {
  // A request should not wait long for a cache that is away.
  const redis = new Redis({ ...config.redis, maxRetriesPerRequest: 1 });
  redis.on('error', (error: Error) => logger.error(error.message));
  return redis;
}

/** The two servers that the service works with: MySQL by its pool, Redis by one client. */
@Global()
@Module({
  providers: [DatabaseService, { provide: Redis, useFactory: connectRedis, inject: [AppConfig] }],
  exports: [DatabaseService, Redis],
})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(@Inject(Redis) private readonly redis: Redis) {}

  /** Later than cacheflow's own end, which still writes its checkpoint over this client. */
  onApplicationShutdown(): void {
    this.redis.disconnect();
  }
}
