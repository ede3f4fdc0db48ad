// The application under test in a process of its own: writes the identity of each change it is told of to a file, and
// answers questions over the connection to the harness. It ends with that connection.
import 'reflect-metadata';
import { open } from 'node:fs/promises';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { CacheflowExtras, CacheflowOptions, CacheflowService, ChangeEvent } from '../../../lib';
import { CacheflowModule, OnBinlog, getCacheflowToken } from '../../../lib';
import { appSource } from '../../support/redis/address';
import type { AppAnswer, AppQuestion, AppSettings } from './app-protocol';
import { commonClock, eventLine } from './event-line';
import { LineLog } from './line-log';
import { Random } from './random';
import { ROW_FORMAT } from './sql-session';
import { DB, tableOptions } from './tables';

/** Most calls are short. */
function handlerMillis(random: Random): number {
  return random.chance(0.1) ? random.int(50, 300) : random.int(0, 5);
}

/** More than there are processes, so that each has some. */
const PARTITIONS = 6;

async function main(): Promise<void> {
  const settings = JSON.parse(process.argv[2] ?? '{}') as AppSettings;
  const random = new Random(process.pid);
  const log = new LineLog(await open(settings.eventFile, 'a'));

  @Injectable()
  class Recorder {
    /** The checkpoint waits for it, so that what a killed process had not written comes again. */
    @OnBinlog(`${DB}.*`, { source: settings.name })
    async onChange(event: ChangeEvent): Promise<void> {
      const begunAt = commonClock();
      await log.append(eventLine(event, begunAt));
      if (settings.slowHandlers) await sleep(handlerMillis(random));
    }
  }
  class ChaosModule {}
  const app = await NestFactory.createApplicationContext(
    { module: ChaosModule, imports: [CacheflowModule.forRoot(optionsOf(settings))], providers: [Recorder] },
    { logger: settings.quiet ? ['error'] : ['error', 'warn', 'log'] },
  );
  app.enableShutdownHooks(['SIGTERM']);
  const cacheflow = app.get<CacheflowService>(getCacheflowToken(settings.name) as string);
  const errors: Record<string, number> = {};
  cacheflow.errors$.subscribe(({ code }) => (errors[code] = (errors[code] ?? 0) + 1));

  const harness = connect(settings.controlPort, '127.0.0.1');
  const send = (answer: AppAnswer): void => void harness.write(`${JSON.stringify(answer)}\n`);
  harness.once('connect', () => send({ ready: process.pid }));
  harness.on('error', () => process.exit(1));
  harness.on('close', () => process.exit(1));
  createInterface({ input: harness }).on('line', (line) => {
    const { id, ask, timeoutMillis } = JSON.parse(line) as AppQuestion;
    if (ask === 'status') send({ id, status: { ...cacheflow.status() }, errors });
    else {
      cacheflow.caughtUp({ timeoutMillis }).then(
        () => send({ id }),
        (error: Error) => send({ id, failure: error.message }),
      );
    }
  });
  // The connection would keep a process alive that has been asked to end.
  harness.unref();
}

function optionsOf({
  name,
  mysqlPort,
  redis,
  amqpUrl,
  takeoverSeconds,
  election,
  distribute,
  slowHandlers,
}: AppSettings): CacheflowOptions & CacheflowExtras {
  return {
    name,
    mysql: { port: mysqlPort, user: 'root', password: '', ...ROW_FORMAT },
    redis: appSource(redis),
    tables: tableOptions(),
    watchdogMillis: 5_000,
    reconnect: { minMillis: 50, maxMillis: 1_000 },
    handlers: {
      // Slow ones are to wait for each other.
      concurrency: slowHandlers ? 64 : 256,
      queueSize: 2_000,
      ...(distribute ? { distribute, partitions: PARTITIONS } : {}),
    },
    ...(takeoverSeconds === undefined ? {} : { takeoverSeconds }),
    ...(election === undefined ? {} : { election }),
    ...(amqpUrl === undefined
      ? {}
      : { retry: { backoffMillis: 200, mq: { url: amqpUrl, exchange: 'chaos', queue: 'chaos.retry' } } }),
  };
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
