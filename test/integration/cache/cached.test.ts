import { Injectable } from '@nestjs/common';
import { expect, it } from 'vitest';
import { Cached, KeyUnknownError, tag } from '../../../lib';
import type { CachedOptions, DependencyChange } from '../../../lib';
import type { TestApp } from '../../support/app';
import { codesOf } from '../../support/app';
import type { Stage } from '../../support/each-sql';
import { describeEachSql } from '../../support/each-sql';
import { TableKeys } from '../../../lib/keys/table-keys';
import { SwitchingProxy } from '../../support/switching-proxy';
import { waitFor } from '../../support/wait-for';

// Which key a decorated method has, and that it is the one that the tail removes.

const schema = `
  CREATE DATABASE app;
  CREATE TABLE app.users (id INT PRIMARY KEY, name VARCHAR(50), org INT);
  CREATE TABLE app.grades (class VARCHAR(20), pupil INT, grade INT, PRIMARY KEY (class, pupil));
  CREATE TABLE app.marks (id INT PRIMARY KEY, class VARCHAR(20), pupil INT, grade INT);
  CREATE TABLE app.profiles (user_id INT PRIMARY KEY, email VARCHAR(100) NULL, bio VARCHAR(100));
  CREATE TABLE app.sessions (id INT PRIMARY KEY, code VARCHAR(50), tenant INT);
  CREATE TABLE app.moves (a INT PRIMARY KEY, b INT NOT NULL, note VARCHAR(50));
  CREATE DATABASE shop; CREATE TABLE shop.items (sku VARCHAR(20) PRIMARY KEY, stock INT);`;

const tables = [
  { db: 'app', table: 'users' },
  { db: 'app', table: 'grades' },
  { db: 'app', table: 'marks', keyFields: ['class', 'pupil'], prefix: 'v1:' },
  { db: 'app', table: 'profiles', key: ['profile:{user_id}', 'profile:mail:{email}'] },
  {
    db: 'app',
    table: 'sessions',
    key: (row: { tenant: number; code: string }) => `session:${row.tenant}:${row.code}`,
    match: 'session:*',
  },
  { db: 'app', table: 'moves' },
  { db: 'shop', table: '*' },
];

type Reader = (...args: unknown[]) => Promise<unknown>;

/** A provider with one decorated method, which counts how often it runs. */
interface Read {
  readonly app: TestApp;
  readonly calls: unknown[][];
  get: Reader;
}

async function readerOf(
  stage: Stage,
  options: CachedOptions<never[]>,
  body: Reader,
  boot: Parameters<Stage['boot']>[0] = { tables },
): Promise<Read> {
  const calls: unknown[][] = [];
  @Injectable()
  class Repository {
    @Cached(options)
    async get(...args: unknown[]): Promise<unknown> {
      calls.push(args);
      return body(...args);
    }
  }
  const app = await stage.boot(boot, { providers: [Repository] });
  const repository = app.context.get(Repository);
  return { app, calls, get: async (...args) => repository.get(...args) };
}

describeEachSql('The key of @Cached', { schema }, (stage) => {
  /** The first row of a statement, null where there is none. */
  function row(sql: string): Reader {
    return async (...params) => (await stage.sql.query(sql, params))[0] ?? null;
  }

  /** Reads twice (one load), changes the row, reads again. */
  async function expectCached(
    { app, calls, get }: Read,
    args: unknown[],
    key: string,
    change: string,
  ): Promise<void> {
    await app.cacheflow.caughtUp();
    const before = await get(...args);
    expect(before).not.toBeNull();
    expect(await get(...args)).toEqual(before);
    expect(calls).toEqual([args]);
    expect(JSON.parse((await stage.redis.get(key)) ?? 'null')).toEqual(before);
    await stage.sql.query(change);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.exists(key)).toBe(0);
    const after = await get(...args);
    expect(after).not.toEqual(before);
    expect(calls).toHaveLength(2);
    expect(app.errors).toEqual([]);
  }

  it('is the default key of the arguments by position', async () => {
    await stage.sql.query("REPLACE INTO app.users VALUES (1, 'Ann', 7)");
    const read = await readerOf(stage, { table: 'app.users' }, row('SELECT * FROM app.users WHERE id = ?'));
    await expectCached(read, [1], 'app:users:1', "UPDATE app.users SET name = 'Bea' WHERE id = 1");
  });

  it('takes the columns of a composite primary key in their order', async () => {
    await stage.sql.query("REPLACE INTO app.grades VALUES ('4b', 9, 1)");
    const read = await readerOf(
      stage,
      { table: 'app.grades' },
      row('SELECT * FROM app.grades WHERE class = ? AND pupil = ?'),
    );
    await expectCached(read, ['4b', 9], 'app:grades:4b:9', 'UPDATE app.grades SET grade = 2');
    const { misses } = read.app.cacheflow.status().cache;
    await read.get('4b', null);
    expect(read.app.cacheflow.status().cache.misses).toBe(misses);
  });

  it('takes `keyFields` and the prefix of the table', async () => {
    await stage.sql.query("REPLACE INTO app.marks VALUES (1, '4b', 9, 1)");
    const read = await readerOf(
      stage,
      { table: 'app.marks' },
      row('SELECT * FROM app.marks WHERE class = ? AND pupil = ?'),
    );
    await expectCached(read, ['4b', 9], 'v1:app:marks:4b:9', 'UPDATE app.marks SET grade = 2');
  });

  it('takes the columns in the order of `by`', async () => {
    await stage.sql.query("REPLACE INTO app.grades VALUES ('4b', 9, 1)");
    const read = await readerOf(
      stage,
      { table: 'app.grades', by: ['pupil', 'class'] },
      row('SELECT * FROM app.grades WHERE pupil = ? AND class = ?'),
    );
    await expectCached(read, [9, '4b'], 'app:grades:4b:9', 'UPDATE app.grades SET grade = 2');
  });

  it('takes the columns of an object that is the first argument', async () => {
    await stage.sql.query("REPLACE INTO app.grades VALUES ('4b', 9, 1)");
    const read = await readerOf(stage, { table: 'app.grades' }, async (given) => {
      const { class: name, pupil } = given as { class: string; pupil: number };
      return row('SELECT * FROM app.grades WHERE class = ? AND pupil = ?')(name, pupil);
    });
    const given = { pupil: 9, class: '4b', more: { than: 'the key' } };
    await expectCached(read, [given], 'app:grades:4b:9', 'UPDATE app.grades SET grade = 2');
  });

  it('is that of the template whose columns `by` names', async () => {
    await stage.sql.query("REPLACE INTO app.profiles VALUES (1, 'ann@x', 'old')");
    const byMail = await readerOf(
      stage,
      { table: 'app.profiles', by: 'email' },
      row('SELECT * FROM app.profiles WHERE email = ?'),
    );
    await expectCached(byMail, ['ann@x'], 'profile:mail:ann@x', "UPDATE app.profiles SET bio = 'new'");
    const byId = await readerOf(
      stage,
      { table: 'app.profiles', by: ['user_id'] },
      row('SELECT * FROM app.profiles WHERE user_id = ?'),
    );
    await expectCached(byId, [1], 'profile:1', "UPDATE app.profiles SET bio = 'newer'");
  });

  it('is made of what `row` makes of the arguments', async () => {
    await stage.sql.query("REPLACE INTO app.users VALUES (2, 'Ann', 7)");
    const read = await readerOf(
      stage,
      { table: 'app.users', row: (...[path]: unknown[]) => ({ id: Number(String(path).split('/')[1]) }) },
      async (path) => row('SELECT * FROM app.users WHERE id = ?')(Number(String(path).split('/')[1])),
    );
    await expectCached(read, ['users/2'], 'app:users:2', "UPDATE app.users SET name = 'Bea' WHERE id = 2");
  });

  it('is made of the columns of the key, whatever else is NULL in what `row` makes', async () => {
    await stage.sql.query("REPLACE INTO app.users VALUES (3, 'Cid', 7)");
    const read = await readerOf(
      stage,
      { table: 'app.users', row: (...[id]: unknown[]) => ({ id, name: null, org: undefined }) },
      row('SELECT * FROM app.users WHERE id = ?'),
    );
    await expectCached(read, [3], 'app:users:3', "UPDATE app.users SET name = 'Cem' WHERE id = 3");
  });

  it('is that of the key function, for the columns of `by`', async () => {
    await stage.sql.query("REPLACE INTO app.sessions VALUES (1, 'k1', 5)");
    const read = await readerOf(
      stage,
      { table: 'app.sessions', by: ['tenant', 'code'] },
      row('SELECT id, code FROM app.sessions WHERE tenant = ? AND code = ?'),
    );
    const change = "DELETE FROM app.sessions; INSERT INTO app.sessions VALUES (2, 'k1', 5)";
    await expectCached(read, [5, 'k1'], 'session:5:k1', change);
  });

  it('has the real names of a table that a wildcard matches', async () => {
    await stage.sql.query("REPLACE INTO shop.items VALUES ('a-1', 5)");
    const read = await readerOf(
      stage,
      { table: 'shop.items' },
      row('SELECT * FROM shop.items WHERE sku = ?'),
    );
    await expectCached(read, ['a-1'], 'shop:items:a-1', 'UPDATE shop.items SET stock = 4');
  });

  it('is found once a table that a wildcard matches is created', async () => {
    const read = await readerOf(
      stage,
      { table: 'shop.carts' },
      row('SELECT * FROM shop.carts WHERE number = ?'),
    );
    await read.app.cacheflow.caughtUp();
    await stage.sql.query(
      'CREATE TABLE shop.carts (number INT PRIMARY KEY, total INT); INSERT INTO shop.carts VALUES (3, 1)',
    );
    try {
      await expectCached(read, [3], 'shop:carts:3', 'UPDATE shop.carts SET total = 2');
    } finally {
      await stage.sql.query('DROP TABLE shop.carts');
    }
  });

  it('may be one of its own, with tags that depend on the arguments', async () => {
    await stage.sql.query("REPLACE INTO app.users VALUES (1, 'Ann', 7), (2, 'Bea', 7), (3, 'Cid', 8)");
    const entry = {
      db: 'app',
      table: 'users',
      match: tag('org', '*'),
      invalidates: ({ after }: DependencyChange<{ org: number }>) => [tag('org', after.org)],
    };
    const calls: number[] = [];
    @Injectable()
    class Repository {
      @Cached({
        key: (org: number) => `org:${org}:members`,
        dependsOn: (org) => [tag('org', org)],
        ttlSeconds: 50,
        ttlJitter: 0,
      })
      async members(org: number): Promise<unknown[]> {
        calls.push(org);
        return stage.sql.query('SELECT id FROM app.users WHERE org = ? ORDER BY id', [org]);
      }
    }
    const app = await stage.app({ tables: [entry] }, { providers: [Repository] });
    const repository = app.context.get(Repository);
    for (let time = 0; time < 2; time++) {
      expect(await repository.members(7)).toEqual([{ id: 1 }, { id: 2 }]);
      expect(await repository.members(8)).toEqual([{ id: 3 }]);
    }
    expect(calls).toEqual([7, 8]);
    expect(await stage.redis.ttl('org:7:members')).toBeGreaterThan(40);
    expect(await stage.redis.ttl('org:7:members')).toBeLessThanOrEqual(50);
    await stage.sql.query('INSERT INTO app.users VALUES (4, "Dan", 7)'.replaceAll('"', "'"));
    await app.cacheflow.caughtUp();
    expect(await repository.members(7)).toEqual([{ id: 1 }, { id: 2 }, { id: 4 }]);
    expect(await repository.members(8)).toEqual([{ id: 3 }]);
    expect(calls).toEqual([7, 8, 7]);
    await stage.sql.query('DELETE FROM app.users WHERE id = 4');
  });

  it('cannot be made of null or undefined, with which the method just runs', async () => {
    const read = await readerOf(stage, { table: 'app.users' }, async () => null);
    await read.app.cacheflow.caughtUp();
    for (const nothing of [null, undefined]) {
      expect(await read.get(nothing)).toBeNull();
      expect(await read.get(nothing)).toBeNull();
    }
    expect(await read.get()).toBeNull();
    expect(read.calls).toEqual([[null], [null], [undefined], [undefined], []]);
    expect(await stage.redis.keys('*app:users*')).toEqual([]);
    expect(read.app.cacheflow.status().cache).toMatchObject({ hits: 0, misses: 0 });
    expect(read.app.errors).toEqual([]);
  });

  it('cannot be made of an object, which is refused', async () => {
    const read = await readerOf(stage, { table: 'app.users' }, async () => ({ id: 1 }));
    await read.app.cacheflow.caughtUp();
    for (const wrong of [{ name: 'Ann' }, [1], new Map(), () => 1]) {
      const outcome = await read.get(wrong).catch((error: unknown) => error);
      expect(outcome).toBeInstanceOf(KeyUnknownError);
      expect((outcome as Error).message).toBe(
        'The key of app.users is made of id, and what was passed for id is no value of a column: pass them in this ' +
          'order, or make them of the arguments with `row`',
      );
    }
    expect(read.calls).toEqual([]);
    expect(await stage.redis.keys('*app:users*')).toEqual([]);
  });

  it('is that of the value as it is written in keys: a Buffer, a bigint, a Date', async () => {
    await stage.sql
      .query(`CREATE TABLE app.blobs (hash BINARY(2), big BIGINT, at DATETIME, n INT, PRIMARY KEY (hash, big, at));
      INSERT INTO app.blobs VALUES (X'0AFF', 9007199254740993, '2026-01-02 03:04:05', 1)`);
    const read = await readerOf(
      stage,
      { table: 'app.blobs' },
      async () => (await stage.sql.query('SELECT n FROM app.blobs'))[0],
      { tables: [{ db: 'app', table: 'blobs' }], mysql: { ...stage.sql.connectionOptions(), timezone: 'Z' } },
    );
    const args = [Buffer.from([10, 255]), 9_007_199_254_740_993n, new Date('2026-01-02T03:04:05Z')];
    const key = 'app:blobs:0aff:9007199254740993:2026-01-02T03:04:05.000Z';
    await expectCached(read, args, key, 'UPDATE app.blobs SET n = 2');
    await stage.sql.query('DROP TABLE app.blobs');
  });
});

describeEachSql('@Cached and a row that has another key than it was asked for by', { schema }, (stage) => {
  const byMail = async (email: unknown): Promise<unknown> =>
    (await stage.sql.query('SELECT * FROM app.profiles WHERE email = ?', [email]))[0] ?? null;

  it('does not cache it, and says so once', async () => {
    await stage.sql.query("REPLACE INTO app.profiles VALUES (1, 'ann@x', 'old')");
    const read = await readerOf(stage, { table: 'app.profiles', by: 'email' }, byMail);
    await read.app.cacheflow.caughtUp();
    for (let time = 0; time < 3; time++) expect(await read.get('ANN@x')).toMatchObject({ bio: 'old' });
    expect(read.calls).toHaveLength(3);
    expect(await stage.redis.keys('*')).not.toContain('profile:mail:ANN@x');
    expect(read.app.errors.map(({ code }) => code)).toEqual(['CACHEFLOW_VALUE_UNFIT']);
    expect(read.app.errors[0]?.message).toBe(
      '@Cached on Repository.get: a row of app.profiles was asked for by another value than it has (another case, a ' +
        'number as text, or by another column), so that nobody would invalidate the key; it is not cached. Pass the ' +
        'value as the row has it',
    );
    expect(read.app.log.join()).not.toContain('ann@x');
    await stage.sql.query("UPDATE app.profiles SET bio = 'new'");
    await read.app.cacheflow.caughtUp();
    expect(await read.get('ANN@x')).toMatchObject({ bio: 'new' });
    expect(await read.get('ann@x')).toMatchObject({ bio: 'new' });
    expect(await read.get('ann@x')).toMatchObject({ bio: 'new' });
    expect(read.calls).toHaveLength(5);
  });

  it('which would be stale after its next change', async () => {
    // What is not read by way of the table has no such check.
    await stage.sql.query("REPLACE INTO app.profiles VALUES (1, 'ann@x', 'old')");
    const { cacheflow } = await stage.app({ tables });
    const key = cacheflow.keyOf('app.profiles', { email: 'ANN@x' });
    await cacheflow.getOrLoad(key, () => byMail('ANN@x'));
    await stage.sql.query("UPDATE app.profiles SET bio = 'new'");
    await cacheflow.caughtUp();
    expect(await cacheflow.getOrLoad(key, () => byMail('ANN@x'))).toMatchObject({ bio: 'old' });
  });

  it.each([
    ['a number as text', '007', { id: 7 }],
    ['a boolean for a number', true, { id: 1 }],
  ])('does not cache what is found by %s', async (_title, given, found) => {
    await stage.sql.query("REPLACE INTO app.users VALUES (1, 'Ann', 7), (7, 'Gil', 7)");
    const read = await readerOf(
      stage,
      { table: 'app.users' },
      async (id) => (await stage.sql.query('SELECT * FROM app.users WHERE id = ?', [id]))[0],
    );
    await read.app.cacheflow.caughtUp();
    expect(await read.get(given)).toMatchObject(found);
    expect(await read.get(given)).toMatchObject(found);
    expect(read.calls).toHaveLength(2);
    expect(codesOf(read.app)).toEqual(['CACHEFLOW_VALUE_UNFIT']);
  });

  it('does not cache it under the key of a key function either', async () => {
    await stage.sql.query("REPLACE INTO app.sessions VALUES (1, 'k1', 5)");
    const read = await readerOf(
      stage,
      { table: 'app.sessions', by: ['tenant', 'code'] },
      async (tenant, code) =>
        (
          await stage.sql.query('SELECT * FROM app.sessions WHERE tenant = ? AND code = ?', [tenant, code])
        )[0],
    );
    await read.app.cacheflow.caughtUp();
    await read.get(5, 'K1');
    await read.get(5, 'K1');
    expect(read.calls).toHaveLength(2);
    expect(codesOf(read.app)).toEqual(['CACHEFLOW_VALUE_UNFIT']);
    await read.get(5, 'k1');
    await read.get(5, 'k1');
    expect(read.calls).toHaveLength(3);
  });

  it('neither caches nor serves what is found by a text that could be the key of another row', async () => {
    await stage.sql
      .query(`CREATE TABLE app.pages (site VARCHAR(20), path VARCHAR(20), title VARCHAR(20), PRIMARY KEY (site, path));
      INSERT INTO app.pages VALUES ('a', 'b:c', 'one'), ('a:b', 'c', 'other'), ('a', 'c', 'plain')`);
    const read = await readerOf(
      stage,
      { table: 'app.pages' },
      async (site, path) =>
        (await stage.sql.query('SELECT title FROM app.pages WHERE site = ? AND path = ?', [site, path]))[0],
      { tables: [{ db: 'app', table: 'pages', strategy: 'write-through' }] },
    );
    await read.app.cacheflow.caughtUp();
    for (let time = 0; time < 2; time++) {
      expect(await read.get('a', 'b:c')).toEqual({ title: 'one' });
      expect(await read.get('a:b', 'c')).toEqual({ title: 'other' });
      expect(await read.get('a', 'c')).toEqual({ title: 'plain' });
    }
    expect(read.calls).toHaveLength(5);
    // Even where it was written.
    await stage.sql.query("UPDATE app.pages SET title = 'written' WHERE site = 'a' AND path = 'b:c'");
    await read.app.cacheflow.caughtUp();
    expect(await stage.redis.exists('app:pages:a:b:c')).toBe(1);
    expect(await read.get('a:b', 'c')).toEqual({ title: 'other' });
    expect(read.app.errors.map(({ message }) => message)).toEqual([
      '@Cached on Repository.get: a row of app.pages was asked for by a text that holds what separates the columns of ' +
        'its key, which another row may have as well then; it is not cached. Use a key template with a separator that no value has',
    ]);
    await stage.sql.query('DROP TABLE app.pages');
  });

  it('cannot tell of a value without the columns of the key, a list, or nothing: these are cached', async () => {
    const answers: unknown[] = [{ n: 1 }, [{ id: 99 }], null, 'text', 5];
    const read = await readerOf(stage, { table: 'app.users' }, async (id) => answers[Number(id)]);
    await read.app.cacheflow.caughtUp();
    for (let time = 0; time < 2; time++) {
      for (const [id, answer] of answers.entries()) expect(await read.get(id)).toEqual(answer);
    }
    expect(read.calls).toHaveLength(answers.length);
    expect(read.app.errors).toEqual([]);
  });
});

describeEachSql('@Cached and a table whose columns change', { schema }, (stage) => {
  it.each([
    ['the primary key', { table: 'app.users' }],
    ['`by`', { table: 'app.users', by: 'id' }],
    ['`row`', { table: 'app.users', row: (...[id]: unknown[]) => ({ id }) }],
  ])(
    'runs the method while they are unknown, because the source is away: with %s',
    async (_title, options) => {
      const proxy = await SwitchingProxy.start(stage.sql.connectionOptions().port);
      proxy.close();
      try {
        await stage.sql.query("REPLACE INTO app.users VALUES (1, 'Ann', 7)");
        const read = await readerOf(
          stage,
          options,
          async (id) => (await stage.sql.query('SELECT * FROM app.users WHERE id = ?', [id]))[0],
          {
            tables: [{ db: 'app', table: 'users' }],
            mysql: { ...stage.sql.connectionOptions(), port: proxy.port },
            reconnect: { minMillis: 20, maxMillis: 50 },
          },
        );
        const { cacheflow } = read.app;
        for (let time = 0; time < 2; time++) expect(await read.get(1)).toMatchObject({ name: 'Ann' });
        expect(read.calls).toHaveLength(2);
        expect(await stage.redis.keys('*app:users*')).toEqual([]);
        expect(() => cacheflow.keyOf('app.users', { id: 1 })).toThrow(
          'The columns of app.users are not known yet, because the source was not reached: try again, or name the ' +
            'columns of the key in `keyFields` or `key`',
        );
        proxy.open();
        await cacheflow.caughtUp();
        for (let time = 0; time < 2; time++) expect(await read.get(1)).toMatchObject({ name: 'Ann' });
        expect(read.calls).toHaveLength(3);
        expect(cacheflow.keyOf('app.users', { id: 1 })).toBe('app:users:1');
        await stage.sql.query("UPDATE app.users SET name = 'Bea' WHERE id = 1");
        await cacheflow.caughtUp();
        expect(await read.get(1)).toMatchObject({ name: 'Bea' });
      } finally {
        await proxy.dispose();
      }
    },
  );

  it('makes the same key as the tail after another column has become the primary key', async () => {
    await stage.sql.query("REPLACE INTO app.moves VALUES (1, 10, 'old')");
    let given = 1;
    const read = await readerOf(
      stage,
      { table: 'app.moves' },
      async () => (await stage.sql.query('SELECT * FROM app.moves'))[0],
    );
    const { cacheflow } = read.app;
    await cacheflow.caughtUp();
    await read.get(given);
    expect(await stage.redis.exists('app:moves:1')).toBe(1);
    await stage.sql.query('ALTER TABLE app.moves DROP PRIMARY KEY, ADD PRIMARY KEY (b)');
    try {
      await cacheflow.caughtUp();
      expect(await stage.redis.exists('app:moves:1')).toBe(0);
      expect(cacheflow.keyOf('app.moves', { b: 10 })).toBe('app:moves:10');
      expect(() => cacheflow.keyOf('app.moves', { a: 1 })).toThrow(
        'A key of app.moves is made of b, not of a',
      );
      given = 10;
      expect(await read.get(given)).toEqual({ a: 1, b: 10, note: 'old' });
      expect(await stage.redis.exists('app:moves:10')).toBe(1);
      await stage.sql.query("UPDATE app.moves SET note = 'new'");
      await cacheflow.caughtUp();
      expect(await read.get(given)).toEqual({ a: 1, b: 10, note: 'new' });
      expect(read.app.errors).toEqual([]);
    } finally {
      await stage.sql.query('ALTER TABLE app.moves DROP PRIMARY KEY, ADD PRIMARY KEY (a)');
    }
  });

  it('makes the key that the tail makes after changes were missed, of which one was to the columns', async () => {
    const proxy = await SwitchingProxy.start(stage.sql.connectionOptions().port);
    try {
      const app = await stage.app({
        tables,
        mysql: { ...stage.sql.connectionOptions(), port: proxy.port },
        reconnect: { minMillis: 20, maxMillis: 50 },
      });
      expect(app.cacheflow.keyOf('app.moves', { a: 1 })).toBe('app:moves:1');
      proxy.close();
      await stage.sql.query('ALTER TABLE app.moves DROP PRIMARY KEY, ADD PRIMARY KEY (b)');
      await stage.sql.query(stage.sql.kind === 'mysql' ? 'RESET BINARY LOGS AND GTIDS' : 'RESET MASTER');
      proxy.open();
      await waitFor(() => codesOf(app).includes('CACHEFLOW_POSITION_LOST'));
      await app.cacheflow.caughtUp();
      expect(app.cacheflow.keyOf('app.moves', { b: 10 })).toBe('app:moves:10');
      expect(() => app.cacheflow.keyOf('app.moves', { a: 1 })).toThrow(KeyUnknownError);
    } finally {
      await proxy.dispose();
      await stage.sql.query('ALTER TABLE app.moves DROP PRIMARY KEY, ADD PRIMARY KEY (a)');
    }
  });

  it('has nothing left after TRUNCATE, which changes no columns', async () => {
    await stage.sql.query("REPLACE INTO app.moves VALUES (1, 10, 'old')");
    const read = await readerOf(
      stage,
      { table: 'app.moves' },
      async () => (await stage.sql.query('SELECT * FROM app.moves'))[0] ?? null,
    );
    const { cacheflow } = read.app;
    await cacheflow.caughtUp();
    await read.get(1);
    // Who would ask the source now, would know nothing afterwards.
    read.app.context
      .get(TableKeys, { strict: false })
      .shapes.use(async () => Promise.reject(new Error('away')));
    await stage.sql.query('TRUNCATE app.moves');
    await cacheflow.caughtUp();
    expect(cacheflow.keyOf('app.moves', { a: 1 })).toBe('app:moves:1');
    expect(await read.get(1)).toBeNull();
    expect(await read.get(1)).toBeNull();
    expect(read.calls).toHaveLength(2);
    expect(await stage.redis.get('app:moves:1')).toBe('null');
    await stage.sql.query("INSERT INTO app.moves VALUES (1, 10, 'new')");
    await cacheflow.caughtUp();
    expect(await read.get(1)).toMatchObject({ note: 'new' });
    await stage.sql.query('ALTER TABLE app.moves ADD COLUMN more INT');
    await cacheflow.caughtUp();
    expect(() => cacheflow.keyOf('app.moves', { a: 1 })).toThrow(KeyUnknownError);
    await stage.sql.query('ALTER TABLE app.moves DROP COLUMN more');
  });
});
