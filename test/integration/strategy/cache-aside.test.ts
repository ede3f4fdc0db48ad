import { expect, it } from 'vitest';
import { describeEachSql } from '../../support/each-sql';

const SCHEMA = `
  CREATE DATABASE user;
  CREATE TABLE user.users (id INT PRIMARY KEY, name VARCHAR(50));
  CREATE TABLE user.profiles (user_id INT PRIMARY KEY, email VARCHAR(100) NULL);
  CREATE TABLE user.grades (class VARCHAR(20), pupil INT, grade INT, PRIMARY KEY (class, pupil));
  CREATE TABLE user.tokens (token BINARY(4) PRIMARY KEY, owner INT);
  CREATE TABLE user.serials (id BIGINT UNSIGNED PRIMARY KEY, name VARCHAR(20));
  CREATE TABLE user.sessions (id INT PRIMARY KEY, code VARCHAR(50) CHARACTER SET latin1, tenant INT);
  CREATE DATABASE shop_1; CREATE TABLE shop_1.orders (id INT PRIMARY KEY, total INT);
  CREATE TABLE shop_1.items (sku VARCHAR(20) PRIMARY KEY, stock INT);
  CREATE DATABASE shop_2; CREATE TABLE shop_2.orders (id INT PRIMARY KEY, total INT);
  CREATE DATABASE other; CREATE TABLE other.orders (id INT PRIMARY KEY, total INT);`;

describeEachSql('cache-aside', { schema: SCHEMA }, (stage) => {
  it('removes the key of a changed row and leaves the others', async () => {
    await stage.sql.query("REPLACE INTO user.users VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    const app = await stage.app({ tables: [{ db: 'user', table: 'users' }] });
    const keys = ['user:users:1', 'user:users:2', 'user:users:3', 'user:users:4'];
    await stage.cache(...keys);
    await stage.sql.query("UPDATE user.users SET name = 'x' WHERE id = 1");
    await stage.sql.query('DELETE FROM user.users WHERE id = 2');
    await stage.sql.query("INSERT INTO user.users VALUES (4, 'd')");
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget(keys)).toEqual([null, null, 'cached', null]);
    expect(app.errors).toEqual([]);
  });

  it('removes the keys of both images when a key column changes', async () => {
    await stage.sql.query("REPLACE INTO user.profiles VALUES (1, 'old@x'), (2, 'other@x')");
    const app = await stage.app({
      tables: [{ db: 'user', table: 'profiles', key: ['profile:{user_id}', 'profile:mail:{email}'] }],
    });
    const keys = ['profile:1', 'profile:mail:old@x', 'profile:mail:new@x', 'profile:mail:other@x'];
    await stage.cache(...keys);
    await stage.sql.query("UPDATE user.profiles SET email = 'new@x' WHERE user_id = 1");
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget(keys)).toEqual([null, null, null, 'cached']);
  });

  it('removes the keys of both images when the primary key changes', async () => {
    await stage.sql.query("REPLACE INTO user.users VALUES (10, 'a')");
    const app = await stage.app({ tables: [{ db: 'user', table: 'users' }] });
    await stage.cache('user:users:10', 'user:users:11');
    await stage.sql.query('UPDATE user.users SET id = 11 WHERE id = 10');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('user:users:10', 'user:users:11')).toEqual([null, null]);
  });

  it('makes keys of composite, binary, big and text columns', async () => {
    const app = await stage.app({
      tables: [
        { db: 'user', table: 'grades' },
        { db: 'user', table: 'tokens', prefix: 'app1:' },
        { db: 'user', table: 'serials' },
        { db: 'user', table: 'sessions', keyFields: ['tenant', 'code'] },
      ],
    });
    const keys = [
      'user:grades:5b:7',
      'app1:user:tokens:00ff1000',
      'user:serials:18446744073709551615',
      'user:serials:9007199254740993',
      'user:serials:9007199254740992',
      'user:sessions:4:größe',
    ];
    await stage.cache(...keys);
    await stage.sql.query(`
      REPLACE INTO user.grades VALUES ('5b', 7, 1);
      REPLACE INTO user.tokens VALUES (X'00ff1000', 1);
      REPLACE INTO user.serials VALUES (18446744073709551615, 'a'), (9007199254740993, 'b');
      REPLACE INTO user.sessions VALUES (1, 'größe', 4);`);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget(keys)).toEqual([null, null, null, null, 'cached', null]);
  });

  it('makes keys by a function, several or none', async () => {
    const app = await stage.app({
      tables: [
        {
          db: 'user',
          table: 'sessions',
          match: ['session:*', 'tenant:*'],
          key: (row: { id: number; tenant: number }) =>
            row.tenant === 0 ? null : [`session:${row.id}`, `tenant:${row.tenant}`],
        },
      ],
    });
    const keys = ['session:20', 'tenant:5', 'session:21', 'tenant:0'];
    await stage.cache(...keys);
    await stage.sql.query("REPLACE INTO user.sessions VALUES (20, 'x', 5), (21, 'y', 0)");
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget(keys)).toEqual([null, null, 'cached', 'cached']);
    expect(app.errors).toEqual([]);
  });

  it('makes no key of a NULL', async () => {
    const app = await stage.app({
      tables: [{ db: 'user', table: 'profiles', key: ['profile:{user_id}', 'profile:mail:{email}'] }],
    });
    await stage.cache('profile:30', 'profile:mail:null', 'profile:mail:');
    await stage.sql.query('REPLACE INTO user.profiles VALUES (30, NULL)');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('profile:30', 'profile:mail:null', 'profile:mail:')).toEqual([
      null,
      'cached',
      'cached',
    ]);
  });

  it('watches whole databases by patterns, with the real names in the keys', async () => {
    const app = await stage.app({
      tables: [
        { db: 'shop_*', table: '*' },
        { db: 'shop_2', table: 'orders', key: 'special:{id}' },
      ],
    });
    const keys = ['shop_1:orders:1', 'shop_1:items:a-1', 'shop_2:orders:1', 'special:1', 'other:orders:1'];
    await stage.cache(...keys);
    await stage.sql.query(`
      REPLACE INTO shop_1.orders VALUES (1, 1); REPLACE INTO shop_1.items VALUES ('a-1', 1);
      REPLACE INTO shop_2.orders VALUES (1, 1); REPLACE INTO other.orders VALUES (1, 1);`);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget(keys)).toEqual([null, null, 'cached', null, 'cached']);
  });

  it('applies transactions over several tables as a whole and in order', async () => {
    const app = await stage.app({
      tables: [
        { db: 'user', table: 'users' },
        { db: 'shop_1', table: 'orders' },
      ],
    });
    await stage.sql.query(`
      START TRANSACTION;
      REPLACE INTO user.users VALUES (40, 'first'); REPLACE INTO shop_1.orders VALUES (40, 1);
      UPDATE user.users SET name = 'second' WHERE id = 40; SAVEPOINT here;
      UPDATE user.users SET name = 'gone' WHERE id = 40; ROLLBACK TO SAVEPOINT here;
      DELETE FROM shop_1.orders WHERE id = 40;
      COMMIT`);
    await app.cacheflow.caughtUp();
    const seen = app.events.map(({ action, table, before, after, position }) => [
      position.row,
      action,
      table,
      before?.['name'] ?? before?.['total'],
      after?.['name'] ?? after?.['total'],
    ]);
    expect(seen).toEqual([
      [0, 'insert', 'users', undefined, 'first'],
      [1, 'insert', 'orders', undefined, 1],
      [2, 'update', 'users', 'first', 'second'],
      [3, 'delete', 'orders', 1, undefined],
    ]);
    expect(new Set(app.events.map(({ position }) => `${position.file}:${position.offset}`)).size).toBe(1);
  });

  it('leaves out what was rolled back', async () => {
    const app = await stage.app({ tables: [{ db: 'user', table: 'users' }] });
    await stage.redis.set('user:users:50', 'cached');
    await stage.sql.query("START TRANSACTION; INSERT INTO user.users VALUES (50, 'x'); ROLLBACK");
    await stage.sql.query("REPLACE INTO user.users VALUES (51, 'y')");
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('user:users:50')).toBe('cached');
    expect(app.events.map((event) => event.after)).toEqual([{ id: 51, name: 'y' }]);
  });
});
