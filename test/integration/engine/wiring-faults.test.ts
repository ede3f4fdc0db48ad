import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedisModule } from '@liaoliaots/nestjs-redis';
import { Inject, Injectable } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import type { ChangeEvent, TableStrategy } from '../../../lib';
import { CacheflowConfigurationError, CacheflowModule, OnBinlog } from '../../../lib';
import type { AppOptions } from '../../support/app';
import { bootApp } from '../../support/app';
import { connectRedis, Stage } from '../../support/each-sql';
import { faultLines, refusedBoot } from '../../support/refused-boot';
import { startMysql, startRedis } from '../../support/servers';

// Failure is loud: what is wrong with the app around the module fails its start like everything else.

const ROOT = join(__dirname, '../../..');
const stage = new Stage('mysql');

beforeAll(async () => {
  [stage.sql, stage.redisServer] = await Promise.all([startMysql(), startRedis()]);
  stage.redis = connectRedis(stage.redisServer);
  await stage.sql.query(
    'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50))',
  );
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await stage.closeApps();
  await stage.redis.flushall();
});
afterAll(async () => {
  stage.redis?.disconnect();
  await Promise.all([stage.sql?.dispose(), stage.redisServer?.dispose()]);
});

function options(more: Partial<AppOptions> = {}): AppOptions {
  return stage.options({ tables: [{ db: 'shop', table: 'users' }], ...more });
}

it('works over a namespace of nestjs-redis', async () => {
  const config = { namespace: 'cache', port: stage.redisServer.port };
  const redis = RedisModule.forRoot({
    readyLog: false,
    config: [{ namespace: 'other', port: 1, lazyConnect: true }, config],
  });
  const app = await bootApp({
    imports: [redis, CacheflowModule.forRoot(options({ redis: { namespace: 'cache' } }))],
  });
  await app.cacheflow.caughtUp();
  await stage.cache('shop:users:1', 'shop:users:2');
  await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'a')");
  await app.cacheflow.caughtUp();
  expect(await stage.redis.mget('shop:users:1', 'shop:users:2')).toEqual([null, 'cached']);
  expect(app.errors).toEqual([]);
  await app.close();
});

it('refuses a namespace that nestjs-redis does not have, together with what the server lacks', async () => {
  const redis = RedisModule.forRoot({
    readyLog: false,
    config: [{ namespace: 'other', port: stage.redisServer.port }],
  });
  const wrong = options({
    redis: { namespace: 'cache' },
    tables: [{ db: 'shop', table: 'users', key: 'u:{idd}' }],
  });
  const error = await refusedBoot(wrong, { imports: [redis] });
  expect(faultLines(error.faults)).toEqual([
    'redis.namespace: nestjs-redis has no client of the namespace "cache" | ' +
      "Import RedisModule.forRoot({ config: [{ namespace: 'cache', … }] }), or correct the namespace",
    expect.stringMatching(/^tables\[0\] \(shop\.users\): .* \| Did you mean `id`\?$/),
  ]);
});

it('lists what the server lacks also when the Redis options are unusable', async () => {
  const error = await refusedBoot(
    options({ redis: 'localhost', tables: [{ db: 'shop', table: 'users', key: 'u:{idd}' }] }),
  );
  expect(error.faults.map(({ subject }) => subject)).toEqual(['redis', 'tables[0] (shop.users)']);
});

it('says what to install when optional peers are not installed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cacheflow-without-peer-'));
  try {
    linkPackages(folder, (name) => name !== '@liaoliaots' && name !== '@golevelup');
    cpSync(join(ROOT, '.build/lib'), join(folder, 'lib'), { recursive: true });
    cpSync(join(__dirname, '../../support/fixtures/missing-peer.cjs'), join(folder, 'boot.cjs'));
    const { stdout, stderr } = spawnSync(process.execPath, ['boot.cjs'], { cwd: folder, encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toContainEqual({
      subject: 'redis.namespace',
      problem: 'the package @liaoliaots/nestjs-redis is not installed',
      fix: 'npm install @liaoliaots/nestjs-redis, or give `redis` connection options',
    });
    expect(JSON.parse(stdout)).toContainEqual({
      subject: 'retry.mq',
      problem: 'the package @golevelup/nestjs-rabbitmq is not installed',
      fix: 'npm install @golevelup/nestjs-rabbitmq, or leave `retry.mq` out, so that commands are tried again in place',
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Links the packages of this repository into a folder's own node_modules. */
function linkPackages(folder: string, wanted: (name: string) => boolean): void {
  const [from, to] = [join(ROOT, 'node_modules'), join(folder, 'node_modules')];
  mkdirSync(to);
  for (const name of readdirSync(from))
    if (!name.startsWith('.') && wanted(name)) symlinkSync(join(from, name), join(to, name));
}

it('refuses two sources of one name', async () => {
  const second = options({ redis: { port: stage.redisServer.port, db: 1 } });
  const boot = bootApp({ imports: [CacheflowModule.forRoot(options()), CacheflowModule.forRoot(second)] });
  const error = await boot.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(CacheflowConfigurationError);
  expect(faultLines((error as CacheflowConfigurationError).faults)).toEqual([
    'name: 2 sources of this app are called "default" and would share a checkpoint | ' +
      "Give each CacheflowModule.forRoot its own name, e.g. { name: 'orders', … }",
  ]);
});

it('refuses @OnBinlog patterns without a dot, and those that no table matches', async () => {
  @Injectable()
  class Listener {
    @OnBinlog('users')
    undotted(_event: ChangeEvent): void {}
    @OnBinlog('shop.orders')
    unwatched(_event: ChangeEvent): void {}
    @OnBinlog(['shop.users', 'blog.*'])
    half(_event: ChangeEvent): void {}
    @OnBinlog('shop.user*')
    right(_event: ChangeEvent): void {}
  }
  const error = await refusedBoot(options(), { providers: [Listener] });
  expect(faultLines(error.faults)).toEqual([
    `@OnBinlog on Listener.undotted: "users" is no table pattern: write 'db.table', with * where any name will do | ` +
      "Name the table as 'db.table', e.g. @OnBinlog('user.users')",
    "@OnBinlog('shop.orders') on Listener.unwatched: no entry of `tables` matches it, so that it would never be called | " +
      "Add the table to `tables`, e.g. { db: 'shop', table: 'orders' }, or correct the pattern",
    "@OnBinlog('blog.*') on Listener.half: no entry of `tables` matches it, so that it would never be called | " +
      "Add the table to `tables`, e.g. { db: 'blog', table: '*' }, or correct the pattern",
  ]);
});

it('refuses @OnBinlog with a source or an action that does not exist', async () => {
  @Injectable()
  class Listener {
    @OnBinlog('shop.users', { source: 'nope' })
    elsewhere(_event: ChangeEvent): void {}
    @OnBinlog('shop.users', { actions: ['updated' as 'update'] })
    misspelt(_event: ChangeEvent): void {}
  }
  const error = await refusedBoot(options(), { providers: [Listener] });
  expect(faultLines(error.faults)).toEqual([
    '@OnBinlog on Listener.elsewhere: it listens to a source "nope", which the app does not have, so that it ' +
      'would never be called | Set `source` to one of default',
    '@OnBinlog on Listener.misspelt: there is no action "updated" | Use insert, update, delete',
  ]);
});

it('refuses a wrong CACHEFLOW_SERVER_ID together with what the server lacks', async () => {
  vi.stubEnv('CACHEFLOW_SERVER_ID', '-1');
  const error = await refusedBoot(options({ tables: [{ db: 'shop', table: 'users', key: 'u:{idd}' }] }));
  expect(error.faults.map(({ subject }) => subject)).toEqual([
    'CACHEFLOW_SERVER_ID',
    'tables[0] (shop.users)',
  ]);
});

it('refuses a strategy that Nest cannot make, together with all else', async () => {
  @Injectable()
  class Lonely implements TableStrategy {
    constructor(@Inject('NOBODY_PROVIDES_THIS') readonly dependency: unknown) {}
    onInsert(): void {}
    onUpdate(): void {}
    onDelete(): void {}
  }
  const tables = [
    { db: 'shop', table: 'users', strategy: Lonely },
    { db: 'shop', table: 'u*', key: 'u:{idd}' },
  ];
  const error = await refusedBoot(options({ tables }));
  expect(faultLines(error.faults)).toEqual([
    expect.stringMatching(
      /^tables\[0\]\.strategy: Lonely cannot be made: .*NOBODY_PROVIDES_THIS.* \| Provide /s,
    ),
  ]);
});

it('names the source whose configuration is wrong', async () => {
  const error = await refusedBoot(options({ name: 'orders', tables: [] }));
  expect(error.source).toBe('orders');
  expect(error.message).toMatch(
    /^Cacheflow "orders" cannot start, 1 fault:\n {2}- tables: no table is watched\n/,
  );
});
