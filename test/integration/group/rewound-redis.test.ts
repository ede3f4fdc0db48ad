import { afterEach, expect, it, onTestFinished } from 'vitest';
import { codesOf } from '../../support/app';
import { untilSaved } from '../../support/checkpoint';
import { describeEachSql } from '../../support/each-sql';
import { HoldingProxy } from '../../support/holding-proxy';
import { restartFrom, takeSnapshot } from '../../support/redis/snapshot';
import { GroupOfProcesses } from '../../support/spawn-group';
import { SwitchingProxy } from '../../support/switching-proxy';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(32));
  CREATE TABLE shop.orders (id INT PRIMARY KEY, total INT)`;
const users = { db: 'shop', table: 'users' };
const orders = { db: 'shop', table: 'orders' };

describeEachSql('a group whose Redis forgets', { schema: SCHEMA }, (stage) => {
  const group = new GroupOfProcesses();
  afterEach(async () => {
    group.end();
    await stage.sql.query('DELETE FROM shop.users; DELETE FROM shop.orders');
  });

  it.each(['leader', 'everywhere'] as const)(
    'has one leader again when a new process came first, with no change to tell (events: %s)',
    async (delivery) => {
      const way = await SwitchingProxy.start(stage.redisServer.port);
      onTestFinished(() => way.dispose());
      const options = stage.options({ tables: [users], events: { delivery } });
      const before = await group.add({ ...options, redis: { port: way.port } });
      await group.leader();
      await before.caughtUp();
      way.close();
      await stage.redis.flushall();
      const newcomer = await group.add(options);
      await group.leader([newcomer]);
      way.open();
      await waitFor(async () => (await before.role()) === 'standby', {
        message: 'the old leader to step down',
      });
      for (let id = 1; id <= 3; id++) await stage.sql.query(`INSERT INTO shop.users VALUES (${id}, 'x')`);
      await before.caughtUp();
      await waitFor(() => newcomer.calls.length === 3, { message: 'the changes' });
      expect(await newcomer.role()).toBe('leader');
      await newcomer.close();
      await group.leader([before]);
      await stage.sql.query("INSERT INTO shop.users VALUES (4, 'x')");
      await before.caughtUp();
      await waitFor(() => before.calls.length > 0, { message: 'the last change' });
      expect(before.calls.map(({ row }) => row)).toEqual([4]);
    },
  );

  it('stays paused when a new process came first', async () => {
    const way = await SwitchingProxy.start(stage.redisServer.port);
    onTestFinished(() => way.dispose());
    const before = await stage.app({ tables: [users], redis: { port: way.port } });
    await before.cacheflow.pause();
    way.close();
    await stage.redis.flushall();
    const newcomer = await stage.app({ tables: [users] });
    way.open();
    const seen = (): boolean[] => [before, newcomer].map(({ cacheflow }) => cacheflow.status().group.paused);
    await waitFor(() => seen().join() === 'true,true', { message: 'a pause of both' });
    const members = (): number => newcomer.cacheflow.status().group.members.length;
    await waitFor(() => members() === 2, { message: 'the group to be together' });
    expect(seen()).toEqual([true, true]);
  });

  it('removes the old keys of a table that a later version adds', async () => {
    const old = await stage.app({ tables: [users] });
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'a')");
    await old.cacheflow.caughtUp();
    await stage.redis.flushall();
    await waitFor(() => codesOf(old).includes('CACHEFLOW_REDIS_REWOUND'), {
      message: 'the loss to be noticed',
      timeoutMillis: 20_000,
    });
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'b')");
    await old.cacheflow.caughtUp();
    await untilSaved(old, stage.redis);
    const next = await stage.boot({ tables: [users, orders] });
    await waitFor(() => next.cacheflow.status().state === 'standby', { message: 'the later version' });
    // Nobody removes it when its row changes: the leader does not know the table.
    await stage.cache('shop:orders:1');
    await stage.sql.query('REPLACE INTO shop.orders VALUES (1, 2)');
    await old.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:orders:1')).toBe('cached');
    await old.close();
    await next.cacheflow.caughtUp();
    expect(next.cacheflow.status().group.role).toBe('leader');
    expect(await stage.redis.get('shop:orders:1')).toBeNull();
  });

  it('applies again what Redis loses while a process begins to lead', async () => {
    const before = await stage.app({ tables: [users] });
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'old')");
    await before.cacheflow.caughtUp();
    await untilSaved(before, stage.redis);
    await stage.cache('shop:users:1');
    const snapshot = await takeSnapshot(stage.redisServer);
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'new')");
    await before.cacheflow.caughtUp();
    await untilSaved(before, stage.redis);
    expect(await stage.redis.get('shop:users:1')).toBeNull();
    // The next one waits where it has the lead and no checkpoint yet.
    await before.cacheflow.pause();
    await before.close();
    const proxy = await HoldingProxy.start(stage.sql.port);
    onTestFinished(() => proxy.dispose());
    const mysql = { ...stage.sql.connectionOptions(), port: proxy.port };
    const next = await stage.boot({ tables: [users], mysql, takeoverSeconds: 60 });
    await waitFor(() => next.cacheflow.status().state === 'paused', { message: 'the next leader' });
    // What it asks once it has loaded the checkpoint.
    proxy.holdFrom('SHOW BINARY LOGS');
    await next.cacheflow.resume();
    await waitFor(() => proxy.requests.length > 0, { message: 'the question' });
    await restartFrom(stage.redisServer, snapshot);
    expect(await stage.redis.get('shop:users:1')).toBe('cached');
    proxy.release();
    await waitFor(async () => (await stage.redis.get('shop:users:1')) === null, {
      message: 'the key of the past to go',
      timeoutMillis: 20_000,
    });
  });
});
