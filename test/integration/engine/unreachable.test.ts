import { Inject, Injectable } from '@nestjs/common';
import { expect, it } from 'vitest';
import type { CacheflowError } from '../../../lib';
import {
  CacheflowConfigurationError,
  CacheflowService,
  RedisUnavailableError,
  SourceUnavailableError,
} from '../../../lib';
import type { TestApp } from '../../support/app';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

// A server that is away is waited for, loudly; the host app starts all the same.

const SCHEMA = 'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50));';
const tables = [{ db: 'shop', table: 'users' }];
const reconnect = { minMillis: 20, maxMillis: 100 };

describeEachSql('a server that is away at the start', { schema: SCHEMA }, (stage) => {
  it('is waited for when it is the source, and streams from then on by itself', async () => {
    await stage.sql.stop();
    const app = await stage.boot({ tables, reconnect });
    const connecting = app.cacheflow.status();
    expect(connecting.state).toBe('connecting');
    expect(connecting.reason).toMatch(/ECONNREFUSED/);
    expect(app.log.join('\n')).toMatch(
      /CACHEFLOW_SOURCE_UNAVAILABLE: The source cannot be reached \(.*ECONNREFUSED/,
    );
    await waitFor(() => app.errors.some((error) => error instanceof SourceUnavailableError), {
      message: 'the error',
    });

    await stage.sql.start();
    await waitFor(() => app.cacheflow.status().state === 'streaming', { message: 'the tail to stream' });
    expect(app.cacheflow.status().reason).toBeUndefined();
    await stage.cache('shop:users:1', 'shop:users:2');
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'a')");
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:users:1', 'shop:users:2')).toEqual([null, 'cached']);
  });

  it('ends the tail loudly when it turns out to be misconfigured', async () => {
    await stage.sql.stop();
    const app = await stage.boot({ tables: [{ db: 'shop', table: 'users', key: 'user:{nmae}' }], reconnect });
    const waiting = app.cacheflow.caughtUp().catch((error: unknown) => error);
    await stage.sql.start();
    await waitFor(() => app.cacheflow.status().state === 'failed', { message: 'the tail to fail' });
    const failed = app.errors.find((error) => error instanceof CacheflowConfigurationError)!;
    expect(failed.message).toMatch(
      /1 fault:\n.*no key can be made: it has no column `nmae`.*\n {4}Fix: Did you mean `name`\?/,
    );
    const { state, reason } = app.cacheflow.status();
    expect({ state, reason }).toEqual({ state: 'failed', reason: failed.message });
    expect(app.log.join('\n')).toContain('CACHEFLOW_CONFIGURATION: Cacheflow "default" cannot start');
    expect(await waiting).toMatchObject({
      code: 'CACHEFLOW_STOPPED',
      message: expect.stringContaining('`nmae`'),
    });
  });

  it('is waited for when it is Redis, and nothing of that time is lost', async () => {
    const errors: CacheflowError[] = [];
    @Injectable()
    class Early {
      constructor(@Inject(CacheflowService) cacheflow: CacheflowService) {
        cacheflow.errors$.subscribe((error) => errors.push(error));
      }
    }
    let app: TestApp;
    await stage.redisServer.kill();
    try {
      app = await stage.boot({ tables }, { providers: [Early] });
      await waitFor(() => app.cacheflow.status().reason !== undefined, { message: 'a reason' });
      const { state, reason } = app.cacheflow.status();
      expect(state).toBe('connecting');
      expect(reason).toMatch(/^Waiting for Redis, which knows the group/);
      expect(app.log.join('\n')).toMatch(
        /CACHEFLOW_REDIS_UNAVAILABLE: The connection to Redis failed \(.*ECONNREFUSED/,
      );
      expect(errors.some((error) => error instanceof RedisUnavailableError)).toBe(true);
    } finally {
      await stage.redisServer.start();
    }
    await waitFor(() => app.cacheflow.status().state === 'streaming', { message: 'the tail to stream' });
    expect(app.cacheflow.status().reason).toBeUndefined();
    await stage.cache('shop:users:3');
    await stage.sql.query("REPLACE INTO shop.users VALUES (3, 'c')");
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:users:3')).toBeNull();
  });

  it('does not keep the app from stopping', async () => {
    await stage.sql.stop();
    await stage.redisServer.kill();
    try {
      const app = await stage.boot({ tables, reconnect });
      await app.close();
      expect(app.cacheflow.status().state).toBe('stopped');
    } finally {
      await Promise.all([stage.sql.start(), stage.redisServer.start()]);
    }
  });
});
