import 'reflect-metadata';
import type { INestApplication } from '@nestjs/common';
import { CacheflowService } from '../lib';
import type { RedisServer } from '../test/support/servers';
import { AppConfig } from './app.config';
import { createApp } from './create-app';
import { createSchema } from './database/schema';
import { AppGroup } from './demo/app-group';
import { banner } from './demo/banner';
import { retryConnected, timeOneInvalidation } from './demo/check';
import { Front } from './demo/front';
import { GroupCheck } from './demo/group-check';
import { type DemoOptions, demoOptions, USAGE } from './demo/options';
import { choosePort } from './demo/port';
import { insertUsers, useTheApp } from './demo/rows';
import { createBinlogReader, DemoServers, giveMemoryBack } from './demo/servers';

const INTERRUPTED = 130;

/** Servers, rows, the app; then either one checked change, or the page until somebody ends it. */
class Demo {
  private servers: DemoServers | undefined;
  private app: INestApplication | undefined;
  private group: AppGroup | undefined;
  private front: Front | undefined;

  constructor(private readonly options: DemoOptions) {}

  async start(): Promise<void> {
    const { options } = this;
    console.log(`Starting ${options.mariadb ? 'MariaDB' : 'MySQL'}, Redis and RabbitMQ …`);
    console.log('RabbitMQ comes last; until then the library says that it cannot be reached.');
    this.servers = new DemoServers(options);
    const { rabbitmq } = this.servers;
    const [sql, redis, rabbitmqUrl] = await Promise.all([
      this.servers.sql,
      this.servers.redis,
      this.servers.rabbitmqUrl,
    ]);
    await createSchema(sql.connectionOptions());
    await insertUsers(sql);
    const replication = await createBinlogReader(sql);

    const config = new AppConfig(
      sql.connectionOptions(),
      replication,
      {
        host: redis.host,
        port: redis.port,
      },
      { url: rabbitmqUrl },
    );
    const port = options.check ? 0 : await choosePort(options.port);
    const url =
      options.processes > 1 ? await this.startGroup(config, port, redis) : await this.startApp(config, port);
    if (options.check) {
      const millis = await timeOneInvalidation(url, { sql, redis });
      console.log(`The cached key was gone ${millis.toFixed(1)} ms after the change was committed.`);
      if (this.group) await new GroupCheck(url, this.group, sql).run();
      await rabbitmq;
      await retryConnected(url);
      console.log('Refused commands are tried again over RabbitMQ.');
      return;
    }
    await useTheApp(url);
    this.app?.useLogger(['fatal', 'error', 'warn', 'log']);
    console.log(banner(url, sql, redis, rabbitmqUrl));
    // The page is of use without it.
    await rabbitmq.catch((error: Error) => console.error(error.message));
  }

  async end(): Promise<void> {
    try {
      await Promise.all([this.group?.close(), this.front?.close()]);
      await this.app?.close();
    } finally {
      await this.servers?.dispose();
    }
  }

  private async startApp(config: AppConfig, port: number): Promise<string> {
    this.app = await createApp(config, { logLevels: ['fatal', 'error', 'warn'] });
    await this.app.listen(port, '127.0.0.1');
    // Once the tail has connected: what is measured and shown is a change, not the first connection.
    await this.app.get(CacheflowService).caughtUp();
    return this.app.getUrl();
  }

  private async startGroup(config: AppConfig, port: number, redis: RedisServer): Promise<string> {
    const { processes: count, check: quiet } = this.options;
    this.group = new AppGroup({ config, count, quiet, onEnded: () => giveMemoryBack(redis) });
    await this.group.start();
    this.front = new Front(this.group);
    return this.front.listen(port);
  }
}

/** Resolved at the first signal to end; the second one does not wait for anything. */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    const onSignal = () => {
      if (++count > 1) process.exit(INTERRUPTED);
      console.log('\nRemoving everything …');
      resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  });
}

async function main(): Promise<number> {
  const options = demoOptions();
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const demo = new Demo(options);
  const interrupted = signalled();
  try {
    const finished = await Promise.race([demo.start().then(() => true), interrupted.then(() => false)]);
    // A check that did not get to its end has not found anything to be right.
    if (options.check) return finished ? 0 : INTERRUPTED;
    await interrupted;
    return 0;
  } finally {
    await demo.end();
  }
}

main().then(
  // Ends what an interrupted start may still be waiting for.
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
