import { Injectable } from '@nestjs/common';
import { afterEach, expect, it } from 'vitest';
import type { ChangeEvent } from '../../../lib';
import { EventsMissedError, OnBinlog } from '../../../lib';
import { codesOf } from '../../support/app';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

const SCHEMA = 'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(32))';
const tables = [{ db: 'shop', table: 'users' }];

describeEachSql('a process of another version', { schema: SCHEMA }, (stage) => {
  afterEach(async () => {
    await stage.redis.config('SET', 'maxmemory', '0');
    await stage.sql.query('DELETE FROM shop.users');
  });

  it('with one more handler for every process is told what it has missed, once it leads', async () => {
    const seen: number[] = [];
    @Injectable()
    class Listener {
      @OnBinlog<{ id: number }>('shop.users', { everywhere: true })
      onUser({ after }: ChangeEvent<{ id: number }>): void {
        seen.push(after?.id ?? 0);
      }
    }
    const old = await stage.app({ tables });
    const next = await stage.boot({ tables }, { providers: [Listener] });
    await waitFor(() => codesOf(next).includes('CACHEFLOW_GROUP_MISMATCH'), { message: 'the report' });
    expect(next.errors[0]?.message).toContain('@OnBinlog everywhere shop.users');
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'x')");
    await old.cacheflow.caughtUp();
    await old.close();
    await next.cacheflow.caughtUp();
    await stage.sql.query("INSERT INTO shop.users VALUES (2, 'x')");
    await waitFor(() => seen.includes(2), { message: 'the change after it' });
    expect(seen).toEqual([2]);
    const missed = next.errors.filter((error) => error instanceof EventsMissedError);
    expect(missed.map(({ missed: { table } }) => table)).toEqual(['shop.users']);
  });

  it('with other handlers is told so, because those of the leader count', async () => {
    @Injectable()
    class Listener {
      @OnBinlog('shop.users')
      onUser(): void {
        // Never called here.
      }
    }
    await stage.app({ tables });
    const other = await stage.boot({ tables }, { providers: [Listener] });
    await waitFor(() => codesOf(other).includes('CACHEFLOW_GROUP_MISMATCH'), { message: 'the report' });
    expect(other.errors[0]?.message).toMatch(/have different options: @OnBinlog\. /);
  });

  it.each([
    ['source', 'redis'],
    ['redis', 'source'],
  ] as const)(
    'with another election (%s, then %s) waits until the others are gone',
    async (first, second) => {
      const old = await stage.app({ tables, election: first, takeoverSeconds: 1 });
      const next = await stage.boot({ tables, election: second, takeoverSeconds: 1 });
      await waitFor(() => codesOf(next).includes('CACHEFLOW_GROUP_SPLIT'), { message: 'the report' });
      expect(next.errors.map(({ message }) => message).join()).toContain('by another `election`');
      await stage.sql.query("INSERT INTO shop.users VALUES (1, 'x')");
      await next.cacheflow.caughtUp();
      expect([old, next].map((app) => [app.cacheflow.status().group.role, app.events.length])).toEqual([
        ['leader', 1],
        ['standby', 0],
      ]);
      await old.close();
      await stage.sql.query("INSERT INTO shop.users VALUES (2, 'x')");
      await waitFor(() => next.events.length === 1, { message: 'the next leader', timeoutMillis: 20_000 });
      expect(next.cacheflow.status().group.role).toBe('leader');
    },
  );

  it('takes over while Redis has no memory, and removes keys', async () => {
    const old = await stage.app({ tables });
    const next = await stage.boot({ tables });
    await waitFor(() => next.cacheflow.status().state === 'standby', { message: 'the standby' });
    await stage.cache('shop:users:1');
    await stage.redis.config('SET', 'maxmemory-policy', 'noeviction');
    await stage.redis.config('SET', 'maxmemory', '1');
    await old.close();
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'x')");
    await waitFor(async () => (await stage.redis.get('shop:users:1')) === null, {
      message: 'the key to go',
      timeoutMillis: 20_000,
    });
    expect(next.cacheflow.status().group.role).toBe('leader');
  });
});
