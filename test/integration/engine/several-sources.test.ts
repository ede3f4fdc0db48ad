import { Inject, Injectable } from '@nestjs/common';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  CacheflowConfigurationError,
  CacheflowModule,
  CacheflowService,
  InjectCacheflow,
  OnBinlog,
  getCacheflowToken,
} from '../../../lib';
import type { CacheflowExtras, CacheflowOptions, ChangeEvent } from '../../../lib';
import type { TestApp } from '../../support/app';
import { bootApp, startApp } from '../../support/app';
import type { RedisServer, SqlServer } from '../../support/servers';
import { startMariadb, startMysql, startRedis } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

const SCHEMA =
  'CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, total INT)';
const INSERT = 'INSERT INTO shop.orders (total) VALUES (1)';

describe('several sources', () => {
  let mysql: SqlServer;
  let mariadb: SqlServer;
  let redisServer: RedisServer;
  let redis: Redis;
  const apps: TestApp[] = [];

  beforeAll(async () => {
    [mysql, mariadb, redisServer] = await Promise.all([startMysql(), startMariadb(), startRedis()]);
    redis = new Redis(redisServer.port);
    await Promise.all([mysql.query(SCHEMA), mariadb.query(SCHEMA)]);
  });
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    await redis.flushall();
  });
  afterAll(async () => {
    redis?.disconnect();
    await Promise.all([mysql?.dispose(), mariadb?.dispose(), redisServer?.dispose()]);
  });

  const optionsOf = (sql: SqlServer, prefix: string): CacheflowOptions => ({
    mysql: sql.connectionOptions(),
    redis: { port: redisServer.port },
    tables: [{ db: 'shop', table: 'orders', prefix }],
  });
  const moduleOf = (sql: SqlServer, extras: CacheflowExtras) =>
    CacheflowModule.forRoot({ ...optionsOf(sql, `${extras.name ?? 'default'}:`), ...extras });

  it('run side by side, each with its own changes, handlers, keys and checkpoint', async () => {
    const calls: string[] = [];
    @Injectable()
    class Listener {
      readonly seen: string[] = [];
      constructor(
        @InjectCacheflow('left') readonly left: CacheflowService,
        @Inject(getCacheflowToken('right')) readonly right: CacheflowService,
      ) {
        left.events$.subscribe((event) => this.seen.push(`left ${String(event.after?.['total'])}`));
        right.events$.subscribe((event) => this.seen.push(`right ${String(event.after?.['total'])}`));
      }
      @OnBinlog('shop.orders', { source: 'left' })
      onLeft(event: ChangeEvent): void {
        calls.push(`left ${String(event.after?.['total'])}`);
      }
      @OnBinlog('shop.*', { source: 'right' })
      onRight(event: ChangeEvent): void {
        calls.push(`right ${String(event.after?.['total'])}`);
      }
    }
    const imports = [moduleOf(mysql, { name: 'left' }), moduleOf(mariadb, { name: 'right' })];
    const app = await bootApp({ imports, providers: [Listener] }, 'left');
    apps.push(app);
    const { left, right, seen } = app.context.get(Listener);
    expect(left).toBe(app.cacheflow);
    expect(right).not.toBe(left);
    await Promise.all([left.caughtUp(), right.caughtUp()]);
    await redis.mset('left:shop:orders:501', 'cached', 'right:shop:orders:501', 'cached');

    await mysql.query('INSERT INTO shop.orders VALUES (501, 11)');
    await left.caughtUp();
    await right.caughtUp();
    expect(await redis.mget('left:shop:orders:501', 'right:shop:orders:501')).toEqual([null, 'cached']);
    await mariadb.query('INSERT INTO shop.orders VALUES (501, 22)');
    await right.caughtUp();
    expect(await redis.exists('right:shop:orders:501')).toBe(0);
    await waitFor(() => calls.length === 2);
    expect(calls).toEqual(['left 11', 'right 22']);
    expect(seen).toEqual(['left 11', 'right 22']);

    expect([left.status().name, right.status().name]).toEqual(['left', 'right']);
    expect(left.status().serverId).not.toBe(right.status().serverId);
    left.pause();
    expect([left.status().state, right.status().state]).toEqual(['paused', 'streaming']);
    left.resume();
    await apps.pop()?.close();
    const stored = await redis.mget('cacheflow:left:checkpoint', 'cacheflow:right:checkpoint');
    const [ofLeft, ofRight] = stored.map((text) => JSON.parse(text ?? '{}') as { serverUuid?: string });
    expect(ofLeft?.serverUuid).toMatch(/^[0-9a-f-]{36}$/);
    expect(ofRight?.serverUuid).toBe('server-id-1');
    expect(await redis.exists('cacheflow:default:checkpoint')).toBe(0);
  });

  it('can be one without a name and one with', async () => {
    const calls: string[] = [];
    @Injectable()
    class Listener {
      constructor(
        @Inject(CacheflowService) readonly unnamed: CacheflowService,
        @InjectCacheflow() readonly byDecorator: CacheflowService,
        @InjectCacheflow('second') readonly second: CacheflowService,
      ) {}
      @OnBinlog('shop.orders')
      onUnnamed(): void {
        calls.push('default');
      }
      @OnBinlog('shop.orders', { source: 'second' })
      onSecond(): void {
        calls.push('second');
      }
    }
    // In both orders, because the last global module could otherwise win.
    for (const reverse of [false, true]) {
      calls.length = 0;
      const imports = [moduleOf(mysql, {}), moduleOf(mariadb, { name: 'second' })];
      if (reverse) imports.reverse();
      const app = await bootApp({ imports, providers: [Listener] });
      apps.push(app);
      const { unnamed, byDecorator, second } = app.context.get(Listener);
      expect(byDecorator).toBe(unnamed);
      expect(app.context.get(CacheflowService)).toBe(unnamed);
      expect([unnamed.status().name, second.status().name]).toEqual(['default', 'second']);
      await Promise.all([unnamed.caughtUp(), second.caughtUp()]);
      await mysql.query(INSERT);
      await unnamed.caughtUp();
      await waitFor(() => calls.length > 0);
      await mariadb.query(INSERT);
      await second.caughtUp();
      await waitFor(() => calls.length > 1);
      expect(calls).toEqual(['default', 'second']);
      await apps.pop()?.close();
    }
  });

  it('go on when one of them is away', async () => {
    const imports = [moduleOf(mysql, { name: 'left' }), moduleOf(mariadb, { name: 'right' })];
    const app = await bootApp({ imports }, 'left');
    apps.push(app);
    const right = app.context.get<CacheflowService>(getCacheflowToken('right') as string, { strict: false });
    await Promise.all([app.cacheflow.caughtUp(), right.caughtUp()]);
    await mariadb.kill();
    await waitFor(() => right.status().state === 'connecting');
    await redis.set('left:shop:orders:601', 'cached');
    await mysql.query('INSERT INTO shop.orders VALUES (601, 1)');
    await app.cacheflow.caughtUp();
    expect(await redis.exists('left:shop:orders:601')).toBe(0);
    expect(app.errors).toEqual([]);
    await mariadb.start();
    await right.caughtUp();
    expect(right.status().state).toBe('streaming');
  });

  it('of the same name in one app are refused', async () => {
    const imports = [moduleOf(mysql, { name: 'same' }), moduleOf(mariadb, { name: 'same' })];
    const start = bootApp({ imports }, 'same');
    await expect(start).rejects.toBeInstanceOf(CacheflowConfigurationError);
    await expect(start).rejects.toThrow('2 sources of this app are called "same"');
  });

  it('of the same name in two apps of one process do not know each other', async () => {
    const calls: string[] = [];
    const listenerOf = (name: string) => {
      @Injectable()
      class Listener {
        @OnBinlog('shop.orders')
        onOrder(): void {
          calls.push(name);
        }
      }
      return Listener;
    };
    // Without an election, both read the binlog.
    const first = await startApp(
      { ...optionsOf(mysql, 'first:'), election: 'none' },
      { providers: [listenerOf('first')] },
    );
    // Its checkpoint is there then, which the second one would miss: they share its name.
    await first.cacheflow.caughtUp();
    const second = await startApp(
      { ...optionsOf(mysql, 'second:'), election: 'none' },
      { providers: [listenerOf('second')] },
    );
    apps.push(first, second);
    await second.cacheflow.caughtUp();
    await redis.mset('first:shop:orders:700', 'cached', 'second:shop:orders:700', 'cached');
    await mysql.query('INSERT INTO shop.orders VALUES (700, 1)');
    await Promise.all([first.cacheflow.caughtUp(), second.cacheflow.caughtUp()]);
    await waitFor(() => calls.length === 2);
    expect(calls.sort()).toEqual(['first', 'second']);
    expect(await redis.exists('first:shop:orders:700', 'second:shop:orders:700')).toBe(0);

    await first.close();
    expect(second.cacheflow.status().state).toBe('streaming');
    await mysql.query(INSERT);
    await second.cacheflow.caughtUp();
    expect([first.events.length, second.events.length]).toEqual([1, 2]);
    expect([...first.errors, ...second.errors]).toEqual([]);
  });
});
