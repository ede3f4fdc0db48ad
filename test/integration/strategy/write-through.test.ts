import { Injectable } from '@nestjs/common';
import { expect, it } from 'vitest';
import type { ChangeEvent, TableStrategy, TableStrategyContext } from '../../../lib';
import { tables } from '../../../lib';
import { describeEachSql } from '../../support/each-sql';

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.products (id INT PRIMARY KEY, name VARCHAR(50), price DECIMAL(10,2), photo BLOB, added DATETIME NULL);
  CREATE TABLE shop.tags (id INT PRIMARY KEY, label VARCHAR(50));
  CREATE TABLE shop.carts (id INT PRIMARY KEY, owner INT, note VARCHAR(50));`;

describeEachSql('write-through', { schema: SCHEMA }, (stage) => {
  it('writes the row as JSON with its time to live, and removes it with the row', async () => {
    const app = await stage.app({
      tables: [{ db: 'shop', table: 'products', strategy: 'write-through', ttlSeconds: 300 }],
    });
    await stage.sql.query(
      "INSERT INTO shop.products VALUES (1, 'pen', 1.50, X'00ff', '2024-02-03 04:05:06')",
    );
    await app.cacheflow.caughtUp();
    expect(JSON.parse((await stage.redis.get('shop:products:1')) ?? '')).toEqual({
      id: 1,
      name: 'pen',
      price: '1.50',
      photo: 'AP8=',
      added: new Date(2024, 1, 3, 4, 5, 6).toISOString(),
    });
    const ttl = await stage.redis.ttl('shop:products:1');
    expect(ttl).toBeGreaterThan(290);
    expect(ttl).toBeLessThanOrEqual(300);
    await stage.sql.query('DELETE FROM shop.products WHERE id = 1');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:products:1')).toBeNull();
  });

  it('writes the last image of a row that changes many times in one batch', async () => {
    const app = await stage.app({ tables: tables('shop', 'write-through', 'tags', 'carts') });
    app.cacheflow.pause();
    await stage.sql.query("INSERT INTO shop.tags VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    for (const label of ['d', 'e', 'f'])
      await stage.sql.query('UPDATE shop.tags SET label = ? WHERE id = 1', [label]);
    await stage.sql.query('DELETE FROM shop.tags WHERE id = 2');
    await stage.sql.query('DELETE FROM shop.tags WHERE id = 3');
    await stage.sql.query("INSERT INTO shop.tags VALUES (3, 'again')");
    app.cacheflow.resume();
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:tags:1', 'shop:tags:2', 'shop:tags:3')).toEqual([
      '{"id":1,"label":"f"}',
      null,
      '{"id":3,"label":"again"}',
    ]);
  });

  it('moves the value when the key changes, and removes the old one', async () => {
    const app = await stage.app({
      tables: [
        { db: 'shop', table: 'carts', strategy: 'write-through', key: ['cart:{id}', 'cart:of:{owner}'] },
      ],
    });
    await stage.sql.query("INSERT INTO shop.carts VALUES (1, 7, 'x')");
    await stage.sql.query('UPDATE shop.carts SET owner = 8 WHERE id = 1');
    await app.cacheflow.caughtUp();
    const value = '{"id":1,"owner":8,"note":"x"}';
    expect(await stage.redis.mget('cart:1', 'cart:of:7', 'cart:of:8')).toEqual([value, null, value]);
  });

  it('hands each change to a strategy of the app, with its keys, in commit order', async () => {
    const calls: string[] = [];
    @Injectable()
    class Recorder implements TableStrategy<{ id: number; label: string }> {
      async onInsert(
        event: ChangeEvent<{ id: number; label: string }>,
        context: TableStrategyContext,
      ): Promise<void> {
        calls.push(`insert ${event.after?.label} ${context.keys.join()} ${context.ttlSeconds}`);
      }
      onUpdate(event: ChangeEvent<{ id: number; label: string }>, context: TableStrategyContext): void {
        calls.push(`update ${event.after?.label} ${context.keys.join()}`);
      }
      onDelete(event: ChangeEvent<{ id: number; label: string }>, context: TableStrategyContext): void {
        calls.push(`delete ${event.before?.label} ${context.keys.join()}`);
      }
    }
    const app = await stage.app({
      tables: [{ db: 'shop', table: 'tags', strategy: Recorder, ttlSeconds: 9 }],
    });
    await stage.sql.query("INSERT INTO shop.tags VALUES (10, 'a')");
    await stage.sql.query("UPDATE shop.tags SET id = 11, label = 'b' WHERE id = 10");
    await stage.sql.query('DELETE FROM shop.tags WHERE id = 11');
    await app.cacheflow.caughtUp();
    expect(calls).toEqual([
      'insert a shop:tags:10 9',
      'update b shop:tags:10,shop:tags:11',
      'delete b shop:tags:11',
    ]);
    expect(app.events.map((event) => event.action)).toEqual(['insert', 'update', 'delete']);
  });
});
