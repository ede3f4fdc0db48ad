import { createPool } from 'mysql2/promise';
import type { RowDataPacket } from 'mysql2';
import { expect, it } from 'vitest';
import type { AuditHorizon } from '../../../lib';
import { AuditFaultError } from '../../../lib';
import type { TestApp } from '../../support/app';
import type { Stage } from '../../support/each-sql';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.items (id INT PRIMARY KEY, state INT, note VARCHAR(50));
  CREATE TABLE shop.users (id INT PRIMARY KEY, state INT, name VARCHAR(50));
  CREATE TABLE shop.profiles (user_id INT PRIMARY KEY, email VARCHAR(100) NULL, KEY (email));
  CREATE TABLE shop.notes (id INT PRIMARY KEY, topic VARCHAR(50), body VARCHAR(50));
  CREATE TABLE shop.zoo (
    id BIGINT UNSIGNED PRIMARY KEY, price DECIMAL(20,4), ratio DOUBLE, small FLOAT, flag TINYINT(1), bits BIT(12),
    born DATE, seen DATETIME(3), stamp TIMESTAMP(3) NULL, at TIME, photo BLOB, hash BINARY(4), doc JSON,
    kind ENUM('a','b'), tags SET('x','y'), title VARCHAR(20), nothing INT);`;

const ALL = { sample: 1, horizonsMillis: [50], maxPending: 100_000 };

/** The keys of the faults that were reported, each once. */
function faultsOf(app: TestApp): string[] {
  return [
    ...new Set(app.errors.flatMap((error) => (error instanceof AuditFaultError ? [error.key] : []))),
  ].sort();
}

/** Resolves when all that was applied so far has been looked at. */
async function untilAudited({ cacheflow }: TestApp): Promise<readonly AuditHorizon[]> {
  await cacheflow.caughtUp();
  await waitFor(() => cacheflow.status().audit?.pending === 0, {
    timeoutMillis: 30_000,
    message: 'the checks to be done',
  });
  return cacheflow.status().audit?.horizons ?? [];
}

const total = (horizons: readonly AuditHorizon[], count: keyof AuditHorizon): number =>
  horizons.reduce((sum, horizon) => sum + horizon[count], 0);

describeEachSql('the auditor', { schema: SCHEMA, sql: () => ({ fast: true }) }, (stage) => {
  it('finds every value that was planted, and nothing else, under full write load', async () => {
    const app = await stage.app({
      tables: [
        { db: 'shop', table: 'items', strategy: 'write-through' },
        { db: 'shop', table: 'users' },
      ],
      audit: { ...ALL, horizonsMillis: [50, 3_000] },
    });
    const { planted, updates } = await writeAndPlant(stage, app, 4_000);
    const horizons = await untilAudited(app);
    expect(planted.length).toBeGreaterThan(10);
    expect(new Set(faultsOf(app))).toEqual(new Set(planted));
    expect(updates).toBeGreaterThan(1_000);
    // Changes of one key that are due together are looked at once.
    expect(total(horizons, 'checked')).toBeGreaterThan(1_000);
    expect(total(horizons, 'incomparable')).toBe(0);
    expect(app.cacheflow.status().audit?.skipped).toBe(0);
  });

  it('removes the keys of wrong values when it is told to, and says so', async () => {
    const app = await stage.app({
      tables: [{ db: 'shop', table: 'users' }],
      audit: { ...ALL, horizonsMillis: [50, 200], repair: true },
    });
    await change(stage, app, "REPLACE INTO shop.users VALUES (70, 1, 'secret name')");
    await stage.redis.set('shop:users:70', '{"id":70,"state":0}');
    const horizons = await untilAudited(app);
    expect(await stage.redis.exists('shop:users:70')).toBe(0);
    expect([total(horizons, 'faults'), total(horizons, 'repaired')]).toEqual([1, 1]);
    const [fault] = app.errors;
    expect(fault).toMatchObject({
      code: 'CACHEFLOW_AUDIT_FAULT',
      table: 'shop.users',
      key: 'shop:users:70',
      repaired: true,
      position: { file: expect.any(String), offset: expect.any(Number) },
    });
    expect(app.log.join()).toContain('CACHEFLOW_AUDIT_FAULT');
    expect(app.log.join() + fault?.message).not.toMatch(/secret|users:70/);
  });

  it('takes what is absent and what says so for right, and a value without a row for wrong', async () => {
    const app = await stage.app({ tables: [{ db: 'shop', table: 'users' }], audit: { ...ALL } });
    await change(
      stage,
      app,
      "REPLACE INTO shop.users VALUES (80, 1, 'a'), (81, 1, 'a'), (82, 1, 'a'), (83, 1, 'a'); DELETE FROM shop.users WHERE id IN (81, 82)",
    );
    await stage.redis.mset('shop:users:81', 'null', 'shop:users:82', '{"id":82}', 'shop:users:83', 'null');
    await untilAudited(app);
    expect(faultsOf(app)).toEqual(['shop:users:82', 'shop:users:83']);
  });

  it('knows which row a key belongs to when keys move from row to row', async () => {
    const app = await stage.app({
      tables: [
        {
          db: 'shop',
          table: 'profiles',
          strategy: 'write-through',
          key: ['profile:{user_id}', 'profile:mail:{email}'],
        },
      ],
      audit: { ...ALL },
    });
    await stage.sql.query(`
      REPLACE INTO shop.profiles VALUES (1, 'old@x'), (2, 'other@x'), (3, 'Case@x'), (4, NULL);
      UPDATE shop.profiles SET email = 'new@x' WHERE user_id = 1;
      UPDATE shop.profiles SET email = 'old@x' WHERE user_id = 2;
      UPDATE shop.profiles SET email = 'case@X' WHERE user_id = 3;
      UPDATE shop.profiles SET user_id = 5 WHERE user_id = 1`);
    const horizons = await untilAudited(app);
    expect(faultsOf(app)).toEqual([]);
    expect([total(horizons, 'undecided'), total(horizons, 'incomparable')]).toEqual([0, 0]);
    // The row of this key has it in other letters now.
    await change(stage, app, "UPDATE shop.profiles SET email = 'CASE@x' WHERE user_id = 3");
    await stage.redis.set('profile:mail:case@X', '{"user_id":3,"email":"case@X"}');
    await untilAudited(app);
    expect(faultsOf(app)).toEqual(['profile:mail:case@X']);
  });

  it.each([
    {},
    { timezone: 'Z', dateStrings: true, bigNumberStrings: true, jsonStrings: true },
    { timezone: '+05:00', decimalNumbers: true, dateStrings: ['TIMESTAMP' as const] },
  ])('compares values of all types under the options of the source %j', async (options) => {
    const mysql = { ...stage.sql.connectionOptions(), ...options };
    const app = await stage.app({
      mysql,
      tables: [{ db: 'shop', table: 'zoo', key: ['zoo:{id}', 'written:{id}'], strategy: 'write-through' }],
      audit: { ...ALL },
    });
    const values = `18446744073709551615, 1234567890.1200, 0.1, 1.1, 1, b'101010101010', '2024-02-29',
      '2024-07-01 02:03:04.567', '2024-07-01 02:03:04.567', '12:34:56', X'00ff10', X'00010203', '{"a": [1, 1.0, "x"]}',
      'b', 'x,y', 'größe 😀', NULL`;
    await stage.sql.query(`REPLACE INTO shop.zoo VALUES (${values})`);
    const first = await untilAudited(app);
    expect([total(first, 'checked'), total(first, 'incomparable'), faultsOf(app)]).toEqual([2, 0, []]);
    // One value of each column is wrong in its turn.
    const key = 'zoo:18446744073709551615';
    for (const column of Object.keys(JSON.parse((await stage.redis.get(key)) ?? '') as object)) {
      await change(stage, app, 'UPDATE shop.zoo SET ratio = ratio + 1');
      const right = JSON.parse((await stage.redis.get(key)) ?? '') as Record<string, unknown>;
      const wrong = typeof right[column] === 'number' ? right[column] + 1 : '2031-01-01';
      app.errors.length = 0;
      await stage.redis.set(key, JSON.stringify({ ...right, [column]: wrong }));
      await untilAudited(app);
      expect(faultsOf(app), column).toEqual([key]);
    }
  });

  it('leaves the comparison to the app where it says so, and tells what cannot be compared', async () => {
    const app = await stage.app({
      tables: [
        {
          db: 'shop',
          table: 'notes',
          audit: {
            compare: (cached, row, key) =>
              cached === 'unsure' ? undefined : cached === `${key}/${String(row['body'])}`,
          },
        },
        { db: 'shop', table: 'users' },
      ],
      audit: { ...ALL },
    });
    await change(
      stage,
      app,
      "REPLACE INTO shop.notes VALUES (1, 't', 'a'), (2, 't', 'b'), (3, 't', 'c'); REPLACE INTO shop.users VALUES (90, 1, 'a'), (91, 1, 'a'), (92, 1, 'a')",
    );
    await stage.redis.mset({
      'shop:notes:1': 'shop:notes:1/a',
      'shop:notes:2': '"shop:notes:2/x"',
      'shop:notes:3': '"unsure"',
      'shop:users:90': '[1, 2]',
      'shop:users:91': 'no JSON',
      'shop:users:92': '{"other":1}',
    });
    const horizons = await untilAudited(app);
    expect(faultsOf(app)).toEqual(['shop:notes:2']);
    expect(total(horizons, 'incomparable')).toBe(4);
  });

  it('decides by the primary key what a key function made', async () => {
    const app = await stage.app({
      tables: [
        {
          db: 'shop',
          table: 'notes',
          match: ['note:*', 'topic:*'],
          strategy: 'write-through',
          key: (row) => [`note:${String(row['id'])}`, `topic:${String(row['topic'])}`],
        },
      ],
      audit: { ...ALL },
    });
    await change(
      stage,
      app,
      "REPLACE INTO shop.notes VALUES (11, 'one', 'a'), (12, 'one', 'b'), (13, 'two', 'c'); UPDATE shop.notes SET topic = 'three' WHERE id = 13",
    );
    await stage.redis.mset('note:11', '{"id":11,"topic":"one","body":"x"}', 'topic:two', '{"id":13}');
    await untilAudited(app);
    // What the row's old key holds cannot be told, nor is the value of another row of the same topic wrong.
    expect(faultsOf(app)).toEqual(['note:11']);
  });

  it('waits while the tail is paused, and looks afterwards', async () => {
    const app = await stage.app({ tables: [{ db: 'shop', table: 'users' }], audit: { ...ALL } });
    await change(stage, app, "REPLACE INTO shop.users VALUES (60, 1, 'a')");
    app.cacheflow.pause();
    await stage.redis.set('shop:users:60', '{"id":60,"state":2}');
    await stage.sql.query('UPDATE shop.users SET state = 2 WHERE id = 60');
    app.cacheflow.resume();
    await untilAudited(app);
    expect(faultsOf(app)).toEqual([]);
    await change(stage, app, 'UPDATE shop.users SET state = 3 WHERE id = 60');
    app.cacheflow.pause();
    await stage.redis.set('shop:users:60', '{"id":60,"state":1}');
    const { audit } = app.cacheflow.status();
    expect(audit?.pending).toBe(1);
    app.cacheflow.resume();
    await untilAudited(app);
    expect(faultsOf(app)).toEqual(['shop:users:60']);
  });

  it('takes no more than may wait, and counts the rest', async () => {
    const app = await stage.app({
      tables: [{ db: 'shop', table: 'users' }],
      audit: { sample: 1, horizonsMillis: [2_000_000_000], maxPending: 3 },
    });
    await change(
      stage,
      app,
      "REPLACE INTO shop.users VALUES (1, 1, 'a'), (2, 1, 'a'), (3, 1, 'a'), (4, 1, 'a'), (5, 1, 'a')",
    );
    expect(app.cacheflow.status().audit).toMatchObject({ pending: 3, skipped: 2 });
    const from = Date.now();
    await app.close();
    expect(Date.now() - from).toBeLessThan(5_000);
  });

  it('is not there unless it is asked for', async () => {
    const app = await stage.app({ tables: [{ db: 'shop', table: 'users' }] });
    expect(app.cacheflow.status().audit).toBeUndefined();
  });
});

describeEachSql('the auditor without its servers', { schema: SCHEMA }, (stage) => {
  it('waits for the source, and goes on', async () => {
    const app = await stage.app({
      tables: [{ db: 'shop', table: 'users' }],
      audit: { ...ALL, horizonsMillis: [50, 1_500] },
      reconnect: { minMillis: 10, maxMillis: 100 },
    });
    await change(stage, app, "REPLACE INTO shop.users VALUES (1, 1, 'a')");
    await stage.redis.set('shop:users:1', '{"id":1,"state":0}');
    await stage.sql.kill();
    await stage.sql.start();
    await waitFor(() => total(app.cacheflow.status().audit?.horizons ?? [], 'faults') === 2, {
      timeoutMillis: 30_000,
      message: 'both faults',
    });
    expect(app.cacheflow.status().audit).toMatchObject({ pending: 0 });
  });

  it('ends with the app while checks wait', async () => {
    const app = await stage.app({ tables: [{ db: 'shop', table: 'users' }], audit: { ...ALL } });
    await change(stage, app, "REPLACE INTO shop.users VALUES (1, 1, 'a')");
    await stage.redis.set('shop:users:1', '{"id":1,"state":0}');
    await stage.sql.query('FLUSH TABLES WITH READ LOCK');
    app.cacheflow.pause();
    const from = Date.now();
    await app.close();
    expect(Date.now() - from).toBeLessThan(9_000);
    await stage.sql.query('UNLOCK TABLES');
  });
});

/** Makes a change, and waits until it was applied. */
async function change(stage: Stage, { cacheflow }: TestApp, sql: string): Promise<void> {
  await stage.sql.query(sql);
  await cacheflow.caughtUp();
}

/**
 * Several sessions flip few rows back and forth while readers fill the keys of one table, without a race: under the
 * row's lock. Beside that, values are planted for rows that nobody touches any more.
 */
async function writeAndPlant(
  stage: Stage,
  app: TestApp,
  millis: number,
): Promise<{ planted: string[]; updates: number }> {
  const pool = createPool({ ...stage.sql.connectionOptions(), connectionLimit: 6 });
  const planted: string[] = [];
  let updates = 0;
  const until = Date.now() + millis;
  const writer = async (table: string): Promise<void> => {
    for (; Date.now() < until; updates++) {
      const id = 1 + Math.floor(Math.random() * 20);
      await pool.query(
        `INSERT INTO shop.${table} VALUES (?, 0, 'n') ON DUPLICATE KEY UPDATE state = 1 - state`,
        [id],
      );
    }
  };
  const reader = async (): Promise<void> => {
    const session = await pool.getConnection();
    while (Date.now() < until) {
      const id = 1 + Math.floor(Math.random() * 20);
      await session.beginTransaction();
      const [rows] = await session.query<RowDataPacket[]>(
        'SELECT * FROM shop.users WHERE id = ? FOR UPDATE',
        [id],
      );
      if (rows[0]) await stage.redis.set(`shop:users:${id}`, JSON.stringify(rows[0]));
      await session.commit();
    }
    session.release();
  };
  const planter = async (): Promise<void> => {
    for (let id = 1_000; Date.now() < until; id++) {
      const table = Math.random() < 0.5 ? 'items' : 'users';
      await pool.query(`REPLACE INTO shop.${table} VALUES (?, 1, 'n')`, [id]);
      await app.cacheflow.caughtUp();
      const key = `shop:${table}:${id}`;
      await stage.redis.set(
        key,
        JSON.stringify({ id, state: 0, [table === 'items' ? 'note' : 'name']: 'n' }),
      );
      planted.push(key);
    }
  };
  try {
    await Promise.all([
      writer('items'),
      writer('items'),
      writer('users'),
      writer('users'),
      reader(),
      planter(),
    ]);
  } finally {
    await pool.end();
  }
  return { planted, updates };
}
