import { Injectable } from '@nestjs/common';
import { expect, it, onTestFinished } from 'vitest';
import type { ChangeEvent, TableOptions, TableStrategy } from '../../lib';
import { describeEachSql } from '../support/each-sql';
import { itOnOneServer } from '../support/redis/on-one-server';

// A dead letter is brought back late, by a person: it is done then, and it makes no key older.

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.users (id INT PRIMARY KEY, n INT);
  CREATE TABLE shop.items (id INT PRIMARY KEY, n INT);`;
const ITEMS: TableOptions = { db: 'shop', table: 'items', strategy: 'write-through' };

describeEachSql('a dead letter that is requeued', { schema: SCHEMA }, (stage) => {
  it('after a restart calls its strategy, though the new process knows nothing of the change', async () => {
    const calls: string[] = [];
    let isDown = true;
    @Injectable()
    class SearchIndex implements TableStrategy<{ id: number; n: number }> {
      onInsert({ action, after }: ChangeEvent<{ id: number; n: number }>): void {
        calls.push(`${action} ${after?.n}`);
        if (isDown) throw new TypeError('down');
      }
      onUpdate = this.onInsert;
      onDelete = this.onInsert;
    }
    const options = {
      tables: [{ db: 'shop', table: 'users', strategy: SearchIndex }],
      retry: { maxAttempts: 2, backoffMillis: 10 },
    };
    const app = await stage.app(options);
    await stage.sql.query('INSERT INTO shop.users VALUES (1, 1)');
    await app.cacheflow.caughtUp();
    const letters = await app.cacheflow.deadLetters.list();
    expect(letters.map(({ kind, attempts }) => [kind, attempts])).toEqual([['strategy', 2]]);
    await app.close();

    isDown = false;
    calls.splice(0);
    const next = await stage.app(options);
    // The change itself is not read again: what calls the strategy is the letter alone.
    expect(next.cacheflow.status().counters.changes).toBe(0);
    expect(await next.cacheflow.deadLetters.requeue(...letters.map(({ id }) => id))).toBe(1);
    expect(calls).toEqual(['insert 1']);
    expect(await next.cacheflow.deadLetters.list()).toEqual([]);
    expect(next.errors).toEqual([]);
  });

  itOnOneServer(
    'after a newer change of which Redis refused everything never writes the older value',
    async () => {
      const older = JSON.stringify({ id: 1, n: 5 });
      const newer = JSON.stringify({ id: 1, n: 6 });
      const allow = (...rights: string[]): Promise<unknown> =>
        stage.redis.acl('SETUSER', 'default', ...rights);
      onTestFinished(() => allow('+@all').then(() => undefined));
      const app = await stage.app({ tables: [ITEMS], retry: { maxAttempts: 1, backoffMillis: 10 } });
      await allow('-set');
      await stage.sql.query('REPLACE INTO shop.items VALUES (1, 5)');
      await app.cacheflow.caughtUp();
      // Not even the record of the version can be written: Redis knows nothing of the newer change.
      await allow('-eval', '-evalsha');
      await stage.sql.query('REPLACE INTO shop.items VALUES (1, 6)');
      await app.cacheflow.caughtUp();
      const letters = await app.cacheflow.deadLetters.list();
      expect(letters.map(({ kind, key }) => [kind, key])).toEqual([
        ['set', 'shop:items:1'],
        ['set', 'shop:items:1'],
      ]);
      await allow('+@all');
      const [first, second] = letters.map(({ id }) => id) as [string, string];
      await app.cacheflow.deadLetters.requeue(first);
      expect(await stage.redis.get('shop:items:1')).not.toBe(older);
      await app.cacheflow.deadLetters.requeue(second);
      expect(await stage.redis.get('shop:items:1')).toBe(newer);
    },
  );
});
