import { expect, it } from 'vitest';
import { codesOf } from '../../support/app';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(32));
  CREATE TABLE shop.orders (id INT PRIMARY KEY, total INT); CREATE TABLE shop.notes (id INT PRIMARY KEY, total INT)`;
const users = { db: 'shop', table: 'users' };
const orders = { db: 'shop', table: 'orders' };

describeEachSql('a table that a new version of the app adds', { schema: SCHEMA }, (stage) => {
  it('has no old key once a process of the new version leads, and the others keep theirs', async () => {
    const old = await stage.app({ tables: [users] });
    const next = await stage.boot({ tables: [users, orders] });
    await waitFor(() => codesOf(next).includes('CACHEFLOW_GROUP_MISMATCH'), { message: 'the report' });
    await stage.cache('shop:users:1');
    // What the new version caches while the old one leads; nobody removes it when the row changes.
    await stage.cache('shop:orders:1');
    await stage.sql.query('REPLACE INTO shop.orders VALUES (1, 2)');
    await old.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:orders:1')).toBe('cached');
    await old.close();
    await next.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:users:1', 'shop:orders:1')).toEqual(['cached', null]);
    await stage.cache('shop:orders:1');
    await next.close();
    // It is covered now.
    const again = await stage.app({ tables: [users, orders] });
    expect(await stage.redis.mget('shop:users:1', 'shop:orders:1')).toEqual(['cached', 'cached']);
    await again.close();
  });

  it('is removed again where the first attempt was cut short', async () => {
    await (await stage.app({ tables: [users] })).close();
    await stage.cache('shop:orders:1', 'shop:users:1');
    const options = { tables: [users, { db: 'shop', table: 'o*' }] };
    const first = await stage.boot(options);
    // Before the first moment in which it could have led.
    await first.close();
    const second = await stage.app(options);
    expect(await stage.redis.get('shop:orders:1')).toBeNull();
    expect(second.errors).toEqual([]);
  });
});
