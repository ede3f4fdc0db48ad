import { Injectable } from '@nestjs/common';
import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import type { ChangeEvent, TableOptions } from '../../../lib';
import { OnBinlog } from '../../../lib';
import { codesOf } from '../../support/app';
import { untilSaved } from '../../support/checkpoint';
import { describeEachSql } from '../../support/each-sql';
import { startRedis } from '../../support/servers';
import { SwitchingProxy } from '../../support/switching-proxy';
import { waitFor } from '../../support/wait-for';

// What Redis has lost comes back even where reading the stream again does not bring it, and nothing that has to be
// done outside of Redis is lost with it.

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.users (id INT PRIMARY KEY, n INT);
  CREATE TABLE shop.items (id INT PRIMARY KEY, n INT);`;
const USERS: TableOptions = { db: 'shop', table: 'users' };
const ITEMS: TableOptions = { db: 'shop', table: 'items', strategy: 'write-through' };

describeEachSql('a Redis that is another one than before', { schema: SCHEMA }, (stage) => {
  it('costs all keys when it has lost a retry, which no reading of the stream repeats', async () => {
    const app = await stage.app({ tables: [USERS], retry: { maxAttempts: 1, backoffMillis: 10 } });
    await stage.cache('shop:users:1', 'other:1');
    onTestFinished(() => stage.redis.acl('SETUSER', 'default', '+@all').then(() => undefined));
    await stage.redis.acl('SETUSER', 'default', '-unlink');
    await stage.sql.query('REPLACE INTO shop.users VALUES (1, 3)');
    await app.cacheflow.caughtUp();
    const letters = await app.cacheflow.deadLetters.list();
    expect(letters.map(({ kind, key }) => [kind, key])).toEqual([['remove', 'shop:users:1']]);
    await stage.redis.acl('SETUSER', 'default', '+@all');
    // The checkpoint has to be past the change: from there on nothing removes the key again.
    await untilSaved(app, stage.redis);
    await stage.redisServer.command('SAVE');

    expect(await app.cacheflow.deadLetters.requeue(...letters.map(({ id }) => id))).toBe(1);
    expect(await stage.redis.get('shop:users:1')).toBeNull();
    await stage.redisServer.kill();
    await stage.redisServer.start();
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:users:1', 'other:1')).toEqual([null, 'cached']);
    expect(codesOf(app)).toContain('CACHEFLOW_REDIS_REWOUND');
  });

  it('and was emptied moves no checkpoint past a handler that has not finished', async () => {
    const seen: unknown[] = [];
    let hangs = true;
    @Injectable()
    class Listener {
      @OnBinlog('shop.users')
      async onUser({ after }: ChangeEvent): Promise<void> {
        seen.push(after?.['n']);
        if (hangs) await new Promise<never>(() => undefined);
      }
    }
    const options = { tables: [USERS], shutdownTimeoutMillis: 300 };
    const app = await stage.app(options, { providers: [Listener] });
    await stage.sql.query('REPLACE INTO shop.users VALUES (2, 11)');
    await app.cacheflow.caughtUp();
    await waitFor(() => seen.includes(11), { message: 'the handler' });
    await stage.redis.flushall();
    await app.cacheflow.caughtUp();
    expect(codesOf(app)).toContain('CACHEFLOW_REDIS_REWOUND');
    expect(app.cacheflow.status().pendingHandlers).toBeGreaterThan(0);
    // Cuts the handler off, and saves how far the checkpoint may go.
    await app.close();

    hangs = false;
    seen.splice(0);
    await stage.app(options, { providers: [Listener] });
    await waitFor(() => seen.includes(11), { message: 'the event that nobody had handled' });
  });

  it('because it was promoted is found by a client that is still connected to its old primary', async () => {
    const [demoted, promoted] = await Promise.all([startRedis(), startRedis()]);
    const proxy = await SwitchingProxy.start(demoted.port);
    onTestFinished(async () => {
      await proxy.dispose();
      await Promise.all([demoted.dispose(), promoted.dispose()]);
    });
    const app = await stage.app({ tables: [USERS], redis: { port: proxy.port } });
    await promoted.command('SET', 'shop:users:3', 'cached');
    // Nobody hangs up: the only sign is that writes are answered by READONLY.
    await demoted.command('REPLICAOF', '127.0.0.1', promoted.port);
    proxy.open(promoted.port);
    await stage.sql.query('REPLACE INTO shop.users VALUES (3, 5)');
    await app.cacheflow.caughtUp({ timeoutMillis: 45_000 });
    expect(await promoted.command('GET', 'shop:users:3')).toBeNull();
  });
});

describeEachSql('a client of Redis that gives numbers as strings', { schema: SCHEMA }, (stage) => {
  it('is no other Redis: a first start flushes nothing, and changes are applied', async () => {
    const client = new Redis({ port: stage.redisServer.port, stringNumbers: true });
    onTestFinished(() => client.disconnect());
    await stage.cache('shop:users:77', 'shop:users:78');
    const app = await stage.app({ tables: [USERS, ITEMS], redis: client });
    expect(await stage.redis.mget('shop:users:77', 'shop:users:78')).toEqual(['cached', 'cached']);
    // Twice, because the second round is compared with the count of the first.
    for (const n of [1, 2]) {
      await stage.cache('shop:users:77');
      await stage.sql.query(
        'REPLACE INTO shop.users VALUES (77, ?); REPLACE INTO shop.items VALUES (77, ?)',
        [n, n],
      );
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget('shop:users:77', 'shop:users:78', 'shop:items:77')).toEqual([
        null,
        'cached',
        JSON.stringify({ id: 77, n }),
      ]);
    }
    expect(app.errors).toEqual([]);
  });
});
