import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { expect, it, onTestFinished } from 'vitest';
import { Cached, tag } from '../../lib';
import { describeEachSql } from '../support/each-sql';
import { HeldLoad } from '../support/held-load';
import { SwitchingProxy } from '../support/switching-proxy';
import { waitFor } from '../support/wait-for';
import { itOnOneServer } from '../support/redis/on-one-server';

const schema = `CREATE DATABASE app;
  CREATE TABLE app.users (id INT PRIMARY KEY, name VARCHAR(50)) ENGINE=InnoDB;
  CREATE TABLE app.docs (tenant VARCHAR(20), id VARCHAR(20), body VARCHAR(50), PRIMARY KEY (tenant, id)) ENGINE=InnoDB;`;
const KEY = 'app:users:1';

interface User {
  id: number;
  name: string;
}

describeEachSql('an adversary', { schema }, (stage) => {
  const find = async (id: number | string): Promise<User | null> =>
    (await stage.sql.query<User>('SELECT * FROM app.users WHERE id = ?', [id]))[0] ?? null;
  const name = async (value: string): Promise<unknown> =>
    stage.sql.query('REPLACE INTO app.users VALUES (1, ?)', [value]);

  it('a value of a tag after its invalidation by a row, and caughtUp', async () => {
    const tables = [{ db: 'app', table: 'users', invalidates: () => [tag('users')], match: tag('users') }];
    const { cacheflow } = await stage.app({ tables });
    await name('old');
    await cacheflow.caughtUp();
    const count = async (): Promise<string | undefined> => (await find(1))?.name;
    const dependsOn = [tag('users')];
    const held = new HeldLoad(count);
    const first = cacheflow.getOrLoad('names', held.load, { dependsOn });
    await held.hasRead;
    await name('new');
    await cacheflow.caughtUp();
    const second = cacheflow.getOrLoad('names', count, { dependsOn });
    await sleep(50);
    held.release();
    await first;
    expect(await second).toBe('new');
  });

  itOnOneServer('`after` on a Redis that has gone back', async () => {
    const { cacheflow } = await stage.app({ tables: [{ db: 'app', table: 'users' }] });
    await name('old');
    await cacheflow.caughtUp();
    await cacheflow.getOrLoad(KEY, () => find(1));
    const folder = await mkdtemp(join(tmpdir(), 'adv-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await stage.redisServer.command('SAVE');
    await copyFile(join(stage.redisServer.dataDir, 'dump.rdb'), join(folder, 'dump.rdb'));
    await name('new');
    await cacheflow.caughtUp();
    const after = await gtidNow();
    await stage.redisServer.kill();
    await copyFile(join(folder, 'dump.rdb'), join(stage.redisServer.dataDir, 'dump.rdb'));
    await stage.redisServer.start();
    const seen: (string | undefined)[] = [];
    for (let turn = 0; turn < 200; turn++) {
      seen.push((await cacheflow.getOrLoad(KEY, () => find(1), { after }))?.name);
      await sleep(2);
    }
    expect(seen.filter((each) => each !== 'new').length).toBe(0);
  });

  itOnOneServer('caughtUp right after Redis has gone back', async () => {
    const { cacheflow } = await stage.app({ tables: [{ db: 'app', table: 'users' }] });
    await name('old');
    await cacheflow.caughtUp();
    await cacheflow.getOrLoad(KEY, () => find(1));
    const folder = await mkdtemp(join(tmpdir(), 'adv-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await stage.redisServer.command('SAVE');
    await copyFile(join(stage.redisServer.dataDir, 'dump.rdb'), join(folder, 'dump.rdb'));
    await name('new');
    await cacheflow.caughtUp();
    await stage.redisServer.kill();
    await copyFile(join(folder, 'dump.rdb'), join(stage.redisServer.dataDir, 'dump.rdb'));
    await stage.redisServer.start();
    await cacheflow.caughtUp({ timeoutMillis: 30_000 });
    expect((await cacheflow.getOrLoad(KEY, () => find(1)))?.name).toBe('new');
  });

  async function gtidNow(): Promise<string> {
    if (stage.kind === 'mariadb') {
      const [row] = await stage.sql.query<{ pos: string }>('SELECT @@GLOBAL.gtid_binlog_pos AS pos');
      return String(row?.pos);
    }
    const [row] = await stage.sql.query<{ executed: string }>('SELECT @@GLOBAL.gtid_executed AS executed');
    const [uuid, ranges] = String(row?.executed).replace(/\s/g, '').split(':') as [string, string];
    return `${uuid}:${ranges.split('-').at(-1)}`;
  }

  it('a first start while the source cannot be reached', async () => {
    const proxy = await SwitchingProxy.start(stage.sql.port);
    onTestFinished(() => proxy.dispose());
    proxy.close();
    await name('old');
    const app = await stage.boot({
      tables: [{ db: 'app', table: 'users' }],
      mysql: { ...stage.sql.connectionOptions(), port: proxy.port },
      reconnect: { minMillis: 500, maxMillis: 500 },
    });
    // The reader has a pool of its own, which is there already.
    expect((await app.cacheflow.getOrLoad(KEY, () => find(1)))?.name).toBe('old');
    await name('new');
    proxy.open();
    await app.cacheflow.caughtUp({ timeoutMillis: 30_000 });
    expect((await app.cacheflow.getOrLoad(KEY, () => find(1)))?.name).toBe('new');
  });

  it('nothing, found by another spelling, and then inserted', async () => {
    @Injectable()
    class Users {
      @Cached({ table: 'app.users' })
      async findOne(id: number | string): Promise<User | null> {
        return find(id);
      }
    }
    const app = await stage.app({ tables: [{ db: 'app', table: 'users' }] }, { providers: [Users] });
    await stage.sql.query('DELETE FROM app.users');
    await app.cacheflow.caughtUp();
    const users = app.context.get(Users);
    expect(await users.findOne('01')).toBeNull();
    await name('new');
    await app.cacheflow.caughtUp();
    expect((await users.findOne('01'))?.name).toBe('new');
  });

  it('a strategy, a restart of Redis from nothing, and tags', async () => {
    const tables = [
      {
        db: 'app',
        table: 'users',
        strategy: 'write-through' as const,
        invalidates: () => [tag('users')],
        match: tag('users'),
      },
    ];
    const { cacheflow } = await stage.app({ tables });
    for (let turn = 0; turn < 6; turn++) {
      await name(`n${turn}`);
      await cacheflow.caughtUp({ timeoutMillis: 30_000 });
      const held = new HeldLoad(() => find(1));
      const slow = cacheflow.getOrLoad('list', held.load, { dependsOn: [tag('users')] });
      await held.hasRead;
      if (turn % 2 === 0) await stage.redis.flushall();
      await stage.sql.query(turn % 3 === 0 ? 'TRUNCATE app.users' : 'DELETE FROM app.users');
      await cacheflow.caughtUp({ timeoutMillis: 30_000 });
      held.release();
      await slow;
      // Not in the air together with the slow one, so that only what stands in Redis counts.
      expect(await cacheflow.getOrLoad('list', () => find(1), { dependsOn: [tag('users')] })).toBeNull();
      expect(await cacheflow.getOrLoad(KEY, () => find(1))).toBeNull();
    }
  });

  it('a cached method that calls another one of the same row', async () => {
    @Injectable()
    class Users {
      @Cached({ table: 'app.users' })
      async findOne(id: number): Promise<User | null> {
        return find(id);
      }
      @Cached({ table: 'app.users' })
      async findOrFail(id: number): Promise<User> {
        const user = await this.findOne(id);
        if (!user) throw new Error('not found');
        return user;
      }
    }
    const app = await stage.app({ tables: [{ db: 'app', table: 'users' }] }, { providers: [Users] });
    await name('old');
    await app.cacheflow.caughtUp();
    const began = performance.now();
    await app.context.get(Users).findOrFail(1);
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it('a watermark of the future keeps the next one away', async () => {
    const { cacheflow } = await stage.app({
      tables: [{ db: 'app', table: 'users' }],
      cache: { watermarkMillis: 50 },
    });
    await name('old');
    await cacheflow.caughtUp();
    await stage.redis.set('cacheflow:default:watermark', JSON.stringify({ at: Date.now() + 3_600_000 }));
    await cacheflow.getOrLoad(KEY, () => find(1));
    cacheflow.pause();
    await name('new');
    await sleep(1_000);
    const read = await cacheflow.getOrLoad(KEY, () => find(1), { maxStalenessMillis: 500 });
    cacheflow.resume();
    expect(read?.name).toBe('new');
  });

  itOnOneServer('a paused source, a restarted Redis and many readers leave nothing old', async () => {
    const { cacheflow } = await stage.app({ tables: [{ db: 'app', table: 'users' }] });
    for (let turn = 0; turn < 10; turn++) {
      await name(`n${turn}`);
      const reads = Array.from({ length: 20 }, () => cacheflow.getOrLoad(KEY, () => find(1)));
      if (turn % 3 === 0) await stage.redisServer.restart();
      await Promise.all(reads);
      await cacheflow.caughtUp({ timeoutMillis: 30_000 });
      expect((await cacheflow.getOrLoad(KEY, () => find(1)))?.name).toBe(`n${turn}`);
    }
    await waitFor(
      () =>
        cacheflow.status().cache.bypassedSince === undefined ||
        cacheflow.getOrLoad(KEY, () => find(1)).then(() => false),
    );
  });
});
