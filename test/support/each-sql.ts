import { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import type { AppOptions, TestApp } from './app';
import { startApp } from './app';
import type { ModuleMetadata } from '@nestjs/common';
import { appSource } from './redis/address';
import { spreadRedis } from './redis/spread-redis';
import type { Topology } from './redis/topology';
import { isOneServer, startTopology, wantedTopology } from './redis/topology';
import type { RedisServer, SqlServer, SqlServerOptions } from './servers';
import type { TailProcess } from './spawn-tail';
import { spawnTail } from './spawn-tail';
import { startMariadb, startMysql } from './servers';

/** Real servers for the tests of one `describe`, and apps on them that are closed after each test. */
export class Stage {
  sql!: SqlServer;
  /** Only where Redis is one server, which tests may kill and start on other data; see `isOneServer`. */
  redisServer!: RedisServer;
  redis!: Redis;
  private topology: Topology | undefined;
  private readonly apps: TestApp[] = [];
  private readonly processes: TailProcess[] = [];
  private readonly clients: Cluster[] = [];

  constructor(readonly kind: 'mysql' | 'mariadb') {}

  /** Starts the Redis that this run of the tests is about. */
  async openRedis(): Promise<void> {
    this.topology = await startTopology(wantedTopology());
    if (isOneServer(this.topology.name)) this.redisServer = this.topology.servers[0] as RedisServer;
    this.redis = spreadRedis(this.topology);
  }

  /** Ends what `openRedis` has begun. */
  async closeRedis(): Promise<void> {
    this.redis?.disconnect();
    await this.topology?.dispose();
  }

  /** The servers that hold keys now. */
  async masters(): Promise<readonly RedisServer[]> {
    return (await this.topology?.masters()) ?? [this.redisServer];
  }

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
    return { mysql: this.sql.connectionOptions(), redis: options.redis ?? this.redisSource(), ...options };
  }

  /** Puts values at the keys, as a reader of the app would. */
  async cache(...keys: string[]): Promise<void> {
    await this.redis.mset(...keys.flatMap((key) => [key, 'cached']));
  }

  /** Boots an app in a process of its own; killed after the test, unless it has ended. */
  async spawn(options: Parameters<typeof spawnTail>[0]): Promise<TailProcess> {
    const { redis, ...rest } = options;
    // No client goes to another process, but the address does.
    const isClient = redis instanceof Cluster;
    const tail = await spawnTail(isClient ? { ...rest, redisAddress: this.topology?.address } : options);
    this.processes.push(tail);
    return tail;
  }

  async closeApps(): Promise<void> {
    for (const { child } of this.processes.splice(0)) child.kill('SIGKILL');
    for (const app of this.apps.splice(0)) await app.close();
    for (const client of this.clients.splice(0)) client.disconnect();
  }

  private redisSource(): AppOptions['redis'] {
    const source = this.topology ? appSource(this.topology.address) : { port: this.redisServer.port };
    if (source instanceof Cluster) this.clients.push(source);
    return source;
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
      [stage.sql] = await Promise.all([start(options.sql?.(kind)), stage.openRedis()]);
      if (options.schema) await stage.sql.query(options.schema);
    });
    afterEach(async () => {
      await stage.closeApps();
      await stage.redis.flushall();
    });
    afterAll(async () => {
      await Promise.all([stage.sql?.dispose(), stage.closeRedis()]);
    });
    body(stage);
  });
}
