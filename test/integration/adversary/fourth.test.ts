import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import { CacheflowService } from '../../../lib';
import { codesOf } from '../../support/app';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(32))`;
const users = { db: 'shop', table: 'users' };
const wait = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

describeEachSql('adversary, fourth', { schema: SCHEMA }, (stage) => {
  afterEach(async () => {
    await stage.redis.config('SET', 'maxmemory', '0');
    await stage.sql.query('DELETE FROM shop.users');
  });

  it('F14: two processes start for the first time, and the one that filled the cache is not the first to lead', async () => {
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'old')");
    const { sql } = stage;
    let warm!: () => void;
    const warmed = new Promise<void>((resolve) => (warm = resolve));
    let go!: () => void;
    const goOn = new Promise<void>((resolve) => (go = resolve));
    const load = async (): Promise<unknown> => (await sql.query('SELECT * FROM shop.users WHERE id = 1'))[0];
    @Injectable()
    class Warm implements OnModuleInit {
      constructor(private readonly cacheflow: CacheflowService) {}
      async onModuleInit(): Promise<void> {
        await this.cacheflow.getOrLoad('shop:users:1', load);
        warm();
        await goOn;
      }
    }
    const slow = stage.boot({ tables: [users] }, { providers: [Warm] });
    await warmed;
    console.log(await stage.redis.get('shop:users:1'));
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'new')");
    const quick = await stage.app({ tables: [users] });
    go();
    const app = await slow;
    await app.cacheflow.caughtUp();
    await wait(1_000);
    console.log(codesOf(quick), codesOf(app));
    expect(await app.cacheflow.getOrLoad('shop:users:1', load)).toEqual({ id: 1, name: 'new' });
  });

  it('F15: a takeover while Redis has no memory still removes keys', async () => {
    const a = await stage.app({ tables: [users] });
    const b = await stage.boot({ tables: [users] });
    await waitFor(() => b.cacheflow.status().state === 'standby');
    await stage.cache('shop:users:1');
    await stage.redis.config('SET', 'maxmemory-policy', 'noeviction');
    await stage.redis.config('SET', 'maxmemory', '1');
    await a.close();
    onTestFinished(() => stage.redis.config('SET', 'maxmemory', '0').then(() => undefined));
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'new')");
    await wait(15_000);
    console.log(
      b.cacheflow.status().group.role,
      b.cacheflow.status().state,
      b.errors.map(({ message }) => message)[0],
    );
    expect(await stage.redis.get('shop:users:1')).toBeNull();
  });
});
