import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { LogLevel } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { AppConfig } from './app.config';
import { AppModule } from './app.module';

/** The page lies beside the sources; the compiled app runs two folders deeper. */
const PUBLIC_FOLDERS = ['public', '../../sample-app/public'].map((folder) => join(__dirname, folder));

export interface CreateAppOptions {
  logLevels?: LogLevel[];
}

/** The whole service, ready to listen. @throws what the start of a module throws */
export async function createApp(
  config: AppConfig,
  { logLevels = ['fatal', 'error', 'warn', 'log'] }: CreateAppOptions = {},
): Promise<NestExpressApplication> {
  const publicFolder = PUBLIC_FOLDERS.find((folder) => existsSync(folder));
  if (publicFolder === undefined) throw new Error(`The page is in none of ${PUBLIC_FOLDERS.join(', ')}`);
  const app = await NestFactory.create<NestExpressApplication>(AppModule.forRoot(config), {
    logger: logLevels,
    abortOnError: false,
    // Browsers keep their connections; the end of the service does not wait for them.
    forceCloseConnections: true,
  });
  app.useStaticAssets(publicFolder);
  return app;
}
