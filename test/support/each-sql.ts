import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import type { AppOptions, TestApp } from './app';
import { startApp } from './app';
import type { ModuleMetadata } from '@nestjs/common';
import type { RedisServer, SqlServer, SqlServerOptions } from './servers';
import type { TailProcess } from './spawn-tail';
import { spawnTail } from './spawn-tail';
import { startMariadb, startMysql, startRedis } from './servers';

/** Real servers for the tests of one `describe`, and apps on them that are closed after each test. */
export class Stage {
  sql!: SqlServer;
  redisServer!: RedisServer;
  redis!: Redis;
  private readonly apps: TestApp[] = [];
  private readonly processes: TailProcess[] = [];

  constructor(readonly kind: 'mysql' | 'mariadb') {}

  /** Boots an app on the servers and waits until it streams. Closed after the test, unless the test did it. */
  async app(
    options: Partial<AppOptions> & Pick<AppOptions, 'tables'>,
    more: ModuleMetadata = {},
  ): Promise<TestApp> {
    const app = await this.boot(options, more);
    await app.cacheflow.caughtUp();
    return app;
  }

  /** Boots an app without waiting for its tail. */
  async boot(
    options: Partial<AppOptions> & Pick<AppOptions, 'tables'>,
    more: ModuleMetadata = {},
  ): Promise<TestApp> {
    const app = await startApp(this.options(options), more);
    this.apps.push(app);
    return app;
  }

  /** Options for the servers of this stage. */
  options(options: Partial<AppOptions> & Pick<AppOptions, 'tables'>): AppOptions {
    return { mysql: this.sql.connectionOptions(), redis: { port: this.redisServer.port }, ...options };
  }

  /** Puts values at the keys, as a reader of the app would. */
  async cache(...keys: string[]): Promise<void> {
    await this.redis.mset(...keys.flatMap((key) => [key, 'cached']));
  }

  /** Boots an app in a process of its own; killed after the test, unless it has ended. */
  async spawn(options: Parameters<typeof spawnTail>[0]): Promise<TailProcess> {
    const tail = await spawnTail(options);
    this.processes.push(tail);
    return tail;
  }

  async closeApps(): Promise<void> {
    for (const { child } of this.processes.splice(0)) child.kill('SIGKILL');
    for (const app of this.apps.splice(0)) await app.close();
  }
}

/** A client that outlives the outages which tests make, and says nothing about them. */
export function connectRedis(server: RedisServer): Redis {
  const client = new Redis({ port: server.port, maxRetriesPerRequest: null });
  client.on('error', () => undefined);
  return client;
}

export interface StageOptions {
  /** Further arguments of the SQL server. */
  readonly sql?: (kind: 'mysql' | 'mariadb') => SqlServerOptions;
  /** Statements to run once, as root. */
  readonly schema?: string;
}

/** The same tests on MySQL and on MariaDB, always both. Redis is emptied after each test. */
export function describeEachSql(title: string, options: StageOptions, body: (stage: Stage) => void): void {
  describe.each([
    ['MySQL', 'mysql', startMysql],
    ['MariaDB', 'mariadb', startMariadb],
  ] as const)(`${title} on %s`, (_name, kind, start) => {
    const stage = new Stage(kind);
    beforeAll(async () => {
      [stage.sql, stage.redisServer] = await Promise.all([start(options.sql?.(kind)), startRedis()]);
      stage.redis = connectRedis(stage.redisServer);
      if (options.schema) await stage.sql.query(options.schema);
    });
    afterEach(async () => {
      await stage.closeApps();
      await stage.redis.flushall();
    });
    afterAll(async () => {
      stage.redis?.disconnect();
      await Promise.all([stage.sql?.dispose(), stage.redisServer?.dispose()]);
    });
    body(stage);
  });
}
