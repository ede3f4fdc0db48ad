import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { AppConfig, portFrom } from './app.config';
import { createApp } from './create-app';
import { createSchema } from './database/schema';

/**
 * Starts the service against servers that exist. From the environment, with these defaults:
 * MYSQL_HOST 127.0.0.1, MYSQL_PORT 3306, MYSQL_USER root, MYSQL_PASSWORD (none), REDIS_HOST 127.0.0.1,
 * REDIS_PORT 6379, RABBITMQ_URL (none), HOST 127.0.0.1, PORT 3000, and CACHEFLOW_MYSQL_USER and
 * CACHEFLOW_MYSQL_PASSWORD for an account of its own that reads the binlog.
 */
async function main(): Promise<void> {
  const config = AppConfig.fromEnvironment();
  await createSchema(config.mysql);
  const app = await createApp(config);
  app.enableShutdownHooks();
  await app.listen(portFrom(process.env, 'PORT', 3000), process.env['HOST'] ?? '127.0.0.1');
  new Logger('SampleApp').log(`The page is at ${await app.getUrl()}`);
}

main().catch((error: unknown) => {
  new Logger('SampleApp').fatal(error instanceof Error ? error.message : error);
  // The clients of a half-started app would keep the process.
  process.exit(1);
});
