import { copyFile, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import type { ChangeEvent } from '../../../lib';
import { EventsMissedError, OnBinlog } from '../../../lib';
import { codesOf } from '../../support/app';
import { untilSaved } from '../../support/checkpoint';
import { describeEachSql } from '../../support/each-sql';
import { HoldingProxy } from '../../support/holding-proxy';
import { GroupOfProcesses } from '../../support/spawn-group';
import { SwitchingProxy } from '../../support/switching-proxy';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(32))`;
const users = { db: 'shop', table: 'users' };
const wait = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

describeEachSql('adversary, more', { schema: SCHEMA }, (stage) => {
  const group = new GroupOfProcesses();
  afterEach(async () => {
    group.end();
    await stage.sql.query('DELETE FROM shop.users');
  });

  it('F4: a Redis that goes back between the loading of the checkpoint and the first round', async () => {
    const before = await stage.app({ tables: [users] });
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'old')");
    await before.cacheflow.caughtUp();
    await untilSaved(before, stage.redis);
    await stage.cache('shop:users:1');
    const server = stage.redisServer;
    await server.command('SAVE');
    const snapshot = join(await mkdtemp(join(tmpdir(), 'adv-')), 'dump.rdb');
    await copyFile(join(server.dataDir, 'dump.rdb'), snapshot);
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'new')");
    await before.cacheflow.caughtUp();
    await untilSaved(before, stage.redis);
    expect(await stage.redis.get('shop:users:1')).toBeNull();
    await before.cacheflow.pause();
    await before.close();

    const proxy = await HoldingProxy.start(stage.sql.port);
    onTestFinished(() => proxy.dispose());
    const mysql = { ...stage.sql.connectionOptions(), port: proxy.port };
    const app = await stage.boot({ tables: [users], mysql, takeoverSeconds: 60 });
    await waitFor(() => app.cacheflow.status().state === 'paused', { message: 'paused' });
    await wait(500);
    proxy.holdFrom('SHOW BINARY LOGS');
    await app.cacheflow.resume();
    await waitFor(() => proxy.requests.length > 0, { message: 'the question' });
    // Its master dies, and the replica that takes over lacks the last writes.
    await server.kill();
    await copyFile(snapshot, join(server.dataDir, 'dump.rdb'));
    await server.start();
    expect(await stage.redis.get('shop:users:1')).toBe('cached');
    proxy.release();
    await waitFor(() => app.cacheflow.status().state === 'streaming', {
      timeoutMillis: 20_000,
      message: 'streaming',
    });
    await app.cacheflow.caughtUp();
    await stage.sql.query("REPLACE INTO shop.users VALUES (2, 'x')");
    await app.cacheflow.caughtUp();
    await wait(7_000);
    await app.cacheflow.caughtUp();
    console.log(
      codesOf(app),
      app.events.map(({ after }) => after?.['name']),
    );
    expect(await stage.redis.get('shop:users:1')).toBeNull();
  });

  it.each(['leader', 'everywhere'] as const)(
    'F6: has one leader after Redis was emptied and a new process came first (%s)',
    async (delivery) => {
      const proxy = await SwitchingProxy.start(stage.redisServer.port);
      onTestFinished(() => proxy.dispose());
      const options = stage.options({ tables: [users], events: { delivery } });
      const a = await group.add({ ...options, redis: { port: proxy.port } });
      await waitFor(async () => (await a.status()).state === 'streaming' && (await a.role()) === 'leader');
      await a.caughtUp();
      await wait(1_500);
      proxy.close();
      await wait(500);
      await stage.redis.flushall();
      const b = await group.add(options);
      await waitFor(
        async () => (await b.role()) !== undefined && (await b.status()).group.members.length > 0,
      );
      await wait(1_500);
      proxy.open();
      await wait(4_000);
      for (let id = 1; id <= 30; id++) {
        await stage.sql.query(`INSERT INTO shop.users VALUES (${id}, 'x')`);
        await wait(200);
      }
      await wait(3_000);
      const late = (each: typeof a): number[] => each.calls.map(({ row }) => row).filter((row) => row > 20);
      const seen = [await a.role(), await b.role()];
      console.log(
        delivery,
        seen,
        late(a),
        late(b),
        a.errors,
        b.errors,
        (await a.status()).checkpoint,
        (await b.status()).checkpoint,
      );
      expect(seen.sort()).toEqual(['leader', 'standby']);
      expect(late(a).length === 0 || late(b).length === 0).toBe(true);
    },
  );

  it('F6b: a leader of a lower term than that of the group notices while the source is idle', async () => {
    const proxy = await SwitchingProxy.start(stage.redisServer.port);
    onTestFinished(() => proxy.dispose());
    const options = stage.options({ tables: [users] });
    const a = await group.add({ ...options, redis: { port: proxy.port } });
    await waitFor(async () => (await a.status()).state === 'streaming' && (await a.role()) === 'leader');
    await wait(1_500);
    proxy.close();
    await wait(300);
    await stage.redis.flushall();
    const b = await group.add(options);
    await waitFor(async () => (await b.status()).state === 'streaming');
    await wait(1_500);
    proxy.open();
    await wait(3_000);
    const c = await group.add(options);
    await b.close();
    await wait(12_000);
    console.log(await a.role(), await c.role(), (await c.status()).group.leader, a.errors, c.errors);
    console.log(await stage.redis.get('cacheflow:default:watermark'), Date.now());
    await c.caughtUp(5_000);
  });

  it('F7: an everywhere handler that a deployment adds is told what it has missed until a process of it leads', async () => {
    const seen: number[] = [];
    @Injectable()
    class Listener {
      @OnBinlog<{ id: number }>('shop.users', { everywhere: true })
      onUser({ after }: ChangeEvent<{ id: number }>): void {
        seen.push(after?.id ?? 0);
      }
    }
    const old = await stage.app({ tables: [users] });
    const next = await stage.boot({ tables: [users] }, { providers: [Listener] });
    await waitFor(() => next.cacheflow.status().state === 'standby');
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'x')");
    await old.cacheflow.caughtUp();
    await wait(1_500);
    await old.close();
    await next.cacheflow.caughtUp();
    await stage.sql.query("REPLACE INTO shop.users VALUES (2, 'x')");
    await waitFor(() => seen.includes(2));
    await wait(6_000);
    console.log(seen, codesOf(next));
    expect(seen.includes(1) || next.errors.some((error) => error instanceof EventsMissedError)).toBe(true);
  });
});
