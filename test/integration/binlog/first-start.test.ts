import { expect, it } from 'vitest';
import { describeEachSql } from '../../support/each-sql';

const SCHEMA = 'CREATE DATABASE user; CREATE TABLE user.users (id INT PRIMARY KEY, name VARCHAR(50));';
const TABLES = [{ db: 'user', table: 'users' }];

describeEachSql('the first start', { schema: SCHEMA }, (stage) => {
  it('misses nothing that is committed from the moment the app has booted', async () => {
    const app = await stage.boot({ tables: TABLES });
    await stage.cache('user:users:1');
    // The tail may not have connected yet.
    await stage.sql.query("INSERT INTO user.users VALUES (1, 'a')");
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('user:users:1')).toBeNull();
    expect(app.events.map((event) => event.after)).toEqual([{ id: 1, name: 'a' }]);
  });

  it('begins at the same place again when it was killed before its first change (promise 1)', async () => {
    const options = stage.options({ tables: TABLES });
    const first = await stage.spawn(options);
    await first.caughtUp();
    await first.kill();
    await stage.cache('user:users:2');
    await stage.sql.query("INSERT INTO user.users VALUES (2, 'b')");
    const second = await stage.spawn(options);
    await second.caughtUp();
    expect(await stage.redis.get('user:users:2')).toBeNull();
    expect(await second.close()).toBe(0);
  });
});
