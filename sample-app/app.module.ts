import { type DynamicModule, Global, Module } from '@nestjs/common';
import { Redis } from 'ioredis';
import { CacheflowModule, type CacheflowOptions, CacheStrategy } from '../lib';
import { AppConfig } from './app.config';
import { DatabaseModule } from './database/database.module';
import { LiveModule } from './live/live.module';
import { MailModule } from './mail/mail.module';
import { RACED_TABLE } from './race/raced-rows.service';
import { RaceModule } from './race/race.module';
import { SettingsModule } from './settings/settings.module';
import { UsersModule } from './users/users.module';

/** Between 6 and 12 seconds of attempts: longer than the page takes Redis' memory away for. */
const ATTEMPTS = { maxAttempts: 8, maxBackoffMillis: 2_000 };

/** All that a service has to say to be rid of its `redis.del()` calls. */
function cacheflowOptions(config: AppConfig, redis: Redis): CacheflowOptions {
  return {
    mysql: { ...config.mysql, ...config.replication },
    redis,
    tables: [
      { db: 'user', table: 'users' },
      { db: 'user', table: 'settings', strategy: CacheStrategy.WriteThrough },
      RACED_TABLE,
    ],
    retry: config.rabbitmq ? { ...ATTEMPTS, mq: config.rabbitmq } : ATTEMPTS,
  };
}

@Global()
@Module({})
export class AppModule {
  static forRoot(config: AppConfig): DynamicModule {
    return {
      module: AppModule,
      imports: [
        DatabaseModule,
        CacheflowModule.forRootAsync({ inject: [AppConfig, Redis], useFactory: cacheflowOptions }),
        UsersModule,
        SettingsModule,
        MailModule,
        LiveModule,
        RaceModule,
      ],
      providers: [{ provide: AppConfig, useValue: config }],
      exports: [AppConfig],
    };
  }
}
