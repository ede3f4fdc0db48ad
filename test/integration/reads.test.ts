import { expect, it } from 'vitest';
import { describeEachSql } from '../support/each-sql';

const schema = `CREATE DATABASE app;
  CREATE TABLE app.users (id INT PRIMARY KEY, name VARCHAR(50));
  CREATE TABLE app.settings (id INT PRIMARY KEY, theme VARCHAR(50));`;

const tables = [
  { db: 'app', table: 'users' },
  { db: 'app', table: 'settings', strategy: 'write-through' as const },
];

describeEachSql('getOrLoad', { schema }, (stage) => {
  it('loads once, serves from the cache, and loads anew after a change', async () => {
    const { cacheflow } = await stage.app({ tables });
    await stage.sql.query("REPLACE INTO app.users VALUES (1, 'Ann')");
    await cacheflow.caughtUp();
    let loads = 0;
    const load = async (): Promise<unknown> => {
      loads++;
      return (await stage.sql.query('SELECT * FROM app.users WHERE id = 1'))[0] ?? null;
    };
    const key = cacheflow.keyOf('app.users', { id: 1 });
    expect(key).toBe('app:users:1');
    expect(await cacheflow.getOrLoad(key, load)).toEqual({ id: 1, name: 'Ann' });
    expect(await cacheflow.getOrLoad(key, load)).toEqual({ id: 1, name: 'Ann' });
    expect(loads).toBe(1);
    expect(JSON.parse((await stage.redis.get(key)) ?? '')).toEqual({ id: 1, name: 'Ann' });
    await stage.sql.query("UPDATE app.users SET name = 'Bea' WHERE id = 1");
    await cacheflow.caughtUp();
    expect(await cacheflow.getOrLoad(key, load)).toEqual({ id: 1, name: 'Bea' });
    expect(loads).toBe(2);
    expect(cacheflow.status().cache).toMatchObject({
      hits: 1,
      misses: 2,
      loads: 2,
      fills: 2,
      refusedFills: 0,
    });
    expect(await stage.redis.keys('cf:*app:users*')).toEqual([]);
  });
});
