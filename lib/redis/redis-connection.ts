import { Inject, Injectable } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { CacheflowConfig } from '../config/cacheflow.config';
import { CACHEFLOW_CONFIG } from '../support/injection-tokens';
import type { ConfigurationFault } from '../errors/configuration.error';
import { messageOf } from '../errors/cacheflow.error';
import { ErrorReporter } from '../errors/error-reporter';
import { RedisUnavailableError } from '../errors/redis.errors';
import type { RedisClient } from './redis-client';
import { isRedisClient } from '../config/is-redis-client';
import { BLOCKING_OPTIONS, createRedisClient, duplicateBlocking } from './redis-client';

/** What is used of `@liaoliaots/nestjs-redis`, which is an optional peer. */
interface NestRedis {
  RedisService: Type<{ getOrThrow(namespace: string): RedisClient }>;
}

/** The client that the options describe, and whether it is ours to close. */
@Injectable()
export class RedisConnection {
  private current: RedisClient | undefined;
  private owned = false;

  constructor(
    @Inject(CACHEFLOW_CONFIG) private readonly config: CacheflowConfig,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
  ) {}

  /** Throws before `resolve`, which the start calls first of all. */
  get client(): RedisClient {
    if (!this.current) throw new Error('The Redis client is used before the module was initialised');
    return this.current;
  }

  /** Whether there is a client yet. */
  get isResolved(): boolean {
    return this.current !== undefined;
  }

  /** Finds or makes the client; says what is wrong where it cannot. */
  resolve(): ConfigurationFault | undefined {
    const source = this.config.redis;
    if (isRedisClient(source)) {
      this.current = source;
      return undefined;
    }
    if (typeof source === 'object' && 'namespace' in source) return this.resolveNamespace(source.namespace);
    const client = createRedisClient(source);
    this.current = client;
    this.owned = true;
    this.reportOutages(client);
    client.connect().catch(() => undefined);
    return undefined;
  }

  /** Another connection to the same Redis, for commands that wait for their replies. The caller closes it. */
  openBlocking(): RedisClient {
    const client = this.openAnother();
    this.reportOutages(client);
    return client;
  }

  /** Another connection to the same Redis. The caller listens for its errors, and closes it. */
  openAnother(): RedisClient {
    const source = this.config.redis;
    const isOwnSource = !isRedisClient(source) && !(typeof source === 'object' && 'namespace' in source);
    return isOwnSource ? createRedisClient(source, BLOCKING_OPTIONS) : duplicateBlocking(this.client);
  }

  private reportOutages(client: RedisClient): void {
    let down = false;
    // ioredis prints errors that nobody listens for. One report for each outage is enough.
    client.on('error', (cause: Error) => {
      if (down) return;
      down = true;
      this.errors.report(
        new RedisUnavailableError(`The connection to Redis failed (${messageOf(cause)}); trying again`, {
          cause,
        }),
      );
    });
    client.on('ready', () => {
      down = false;
    });
  }

  /** Closes the client if it is ours. */
  close(): void {
    if (this.owned) this.current?.disconnect();
  }

  private resolveNamespace(namespace: string): ConfigurationFault | undefined {
    let nestRedis: NestRedis;
    try {
      nestRedis = require('@liaoliaots/nestjs-redis') as NestRedis;
    } catch {
      return {
        subject: 'redis.namespace',
        problem: 'the package @liaoliaots/nestjs-redis is not installed',
        fix: 'npm install @liaoliaots/nestjs-redis, or give `redis` connection options',
      };
    }
    try {
      this.current = this.moduleRef.get(nestRedis.RedisService, { strict: false }).getOrThrow(namespace);
      return undefined;
    } catch {
      return {
        subject: 'redis.namespace',
        problem: `nestjs-redis has no client of the namespace "${namespace}"`,
        fix: `Import RedisModule.forRoot({ config: [{ namespace: '${namespace}', … }] }), or correct the namespace`,
      };
    }
  }
}
