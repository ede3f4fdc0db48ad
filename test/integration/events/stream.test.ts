import { Subject, map, switchMap } from 'rxjs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SubscriberFailedError } from '../../../lib';
import type { ChangeEvent } from '../../../lib';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `
  CREATE DATABASE user;
  CREATE TABLE user.users (id INT PRIMARY KEY, name VARCHAR(50));
  CREATE TABLE user.logins (id INT PRIMARY KEY, user_id INT);`;
const TABLES = [{ db: 'user', table: '*' }];

describeEachSql('events$', { schema: SCHEMA }, (stage) => {
  const uncaught: unknown[] = [];
  const remember = (error: unknown): void => void uncaught.push(error);

  beforeEach(() => {
    uncaught.length = 0;
    process.on('uncaughtException', remember).on('unhandledRejection', remember);
  });
  afterEach(async () => {
    process.off('uncaughtException', remember).off('unhandledRejection', remember);
    await stage.sql.query('TRUNCATE user.users; TRUNCATE user.logins');
  });

  it('tells what happened, where and when', async () => {
    const app = await stage.app({ tables: TABLES });
    const started = Date.now();
    await stage.sql.query("INSERT INTO user.users VALUES (1, 'a'), (2, 'b')");
    await stage.sql.query("UPDATE user.users SET name = 'c' WHERE id = 1");
    await stage.sql.query('DELETE FROM user.users WHERE id = 2');
    await app.cacheflow.caughtUp();
    expect(app.events.map(({ action, before, after }) => ({ action, before, after }))).toEqual([
      { action: 'insert', before: null, after: { id: 1, name: 'a' } },
      { action: 'insert', before: null, after: { id: 2, name: 'b' } },
      { action: 'update', before: { id: 1, name: 'a' }, after: { id: 1, name: 'c' } },
      { action: 'delete', before: { id: 2, name: 'b' }, after: null },
    ]);
    const gtid = stage.sql.kind === 'mysql' ? /^[0-9a-f-]{36}:\d+$/ : /^\d+-\d+-\d+$/;
    for (const event of app.events) {
      expect(Object.keys(event).sort()).toEqual(
        ['action', 'after', 'before', 'gtid', 'position', 'schema', 'table', 'timestamp'].sort(),
      );
      expect(event).toMatchObject({ schema: 'user', table: 'users', gtid: expect.stringMatching(gtid) });
      expect(event.position.file).toMatch(/^binlog\.\d{6}$/);
      // The binlog knows whole seconds only.
      expect(event.timestamp).toBeGreaterThanOrEqual(started - 1_000);
      expect(event.timestamp).toBeLessThanOrEqual(Date.now());
      expect(event.timestamp % 1_000).toBe(0);
    }
    const [first, second, third, fourth] = app.events.map(({ position }) => position);
    expect(second).toEqual({ ...first, row: 1 });
    expect([first?.row, third?.row, fourth?.row]).toEqual([0, 0, 0]);
    expect(third?.offset).toBeGreaterThan(first?.offset ?? 0);
    expect(fourth?.offset).toBeGreaterThan(third?.offset ?? 0);
    expect(new Set(app.events.map(({ gtid: each }) => each)).size).toBe(3);
  });

  it('emits a change only after its key is gone from Redis', async () => {
    const app = await stage.app({ tables: [{ db: 'user', table: 'users' }] });
    const keys = Array.from({ length: 20 }, (_, id) => `user:users:${id}`);
    await stage.cache(...keys);
    const seen: Promise<unknown>[] = [];
    app.cacheflow.events$.subscribe((event) => {
      seen.push(stage.redis.get(`user:users:${String(event.after?.['id'])}`));
    });
    for (const id of keys.keys()) await stage.sql.query('INSERT INTO user.users VALUES (?, ?)', [id, 'x']);
    await app.cacheflow.caughtUp();
    expect(await Promise.all(seen)).toEqual(keys.map(() => null));
  });

  it('emits in commit order over tables, transactions and writers', async () => {
    const app = await stage.app({ tables: TABLES });
    for (let id = 0; id < 60; id += 2) {
      await stage.sql.query(`
        START TRANSACTION; INSERT INTO user.users VALUES (${id}, 'u'); INSERT INTO user.logins VALUES (${id}, ${id});
        COMMIT; INSERT INTO user.logins VALUES (${id + 1}, ${id})`);
    }
    await app.cacheflow.caughtUp();
    const expected = Array.from({ length: 30 }, (_, index) => index * 2).flatMap((id) => [
      `users ${id}`,
      `logins ${id}`,
      `logins ${id + 1}`,
    ]);
    expect(app.events.map((event) => `${event.table} ${String(event.after?.['id'])}`)).toEqual(expected);
    const places = app.events.map(({ position }) => position.offset * 10 + position.row);
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  it('survives every kind of throwing subscriber, and reports each', async () => {
    const app = await stage.app({ tables: [{ db: 'user', table: 'users' }] });
    const { events$ } = app.cacheflow;
    const fail = (event: ChangeEvent): never => {
      throw new RangeError(`in a subscriber of ${event.table}`);
    };
    events$.subscribe(fail);
    events$.subscribe({ next: fail });
    // eslint-disable-next-line typescript/no-misused-promises -- what people write
    events$.subscribe(async (event) => fail(event));
    events$.pipe(map(fail)).subscribe();
    events$.pipe(switchMap(fail)).subscribe(() => undefined);
    events$
      .pipe(
        switchMap(async (event) => fail(event)),
        map((value) => value),
      )
      .subscribe({ next: () => undefined });
    events$.pipe(map((event) => event.after)).subscribe(() => {
      throw new RangeError('behind a pipe');
    });
    const afterwards: unknown[] = [];
    events$.subscribe((event) => afterwards.push(event.after?.['id']));
    await stage.cache('user:users:1', 'user:users:2');

    await stage.sql.query("INSERT INTO user.users VALUES (1, 'a')");
    await app.cacheflow.caughtUp();
    await waitFor(() => app.errors.length === 7, { message: 'a report of each' });
    await stage.sql.query("INSERT INTO user.users VALUES (2, 'b')");
    await app.cacheflow.caughtUp();

    expect(app.errors.every((error) => error instanceof SubscriberFailedError)).toBe(true);
    expect(app.errors.every((error) => error.cause instanceof RangeError)).toBe(true);
    // The text of an error of the app may hold values of the row.
    expect(app.log.join('\n')).not.toContain('in a subscriber of');
    expect(afterwards).toEqual([1, 2]);
    expect(app.events).toHaveLength(2);
    expect(await stage.redis.exists('user:users:1', 'user:users:2')).toBe(0);
    // What RxJS throws by itself, it throws from a timer.
    await new Promise((resolve) => setTimeout(resolve));
    expect(uncaught).toEqual([]);
  });

  it('survives a subscriber of errors$ that throws', async () => {
    const app = await stage.app({ tables: [{ db: 'user', table: 'users' }] });
    app.cacheflow.errors$.subscribe(() => {
      throw new RangeError('in a subscriber of errors$');
    });
    app.cacheflow.events$.subscribe(() => {
      throw new RangeError('in a subscriber');
    });
    await stage.sql.query("INSERT INTO user.users VALUES (3, 'a'), (4, 'a')");
    await app.cacheflow.caughtUp();
    expect(app.errors.map((error) => error.code)).toEqual(Array(2).fill('CACHEFLOW_SUBSCRIBER_FAILED'));
    expect(app.log.join('\n')).toContain('A subscriber of errors$ threw: RangeError');
    await new Promise((resolve) => setTimeout(resolve));
    expect(uncaught).toEqual([]);
  });

  it('hands nothing to a subscriber that has left, and starts with the next change for a new one', async () => {
    const app = await stage.app({ tables: [{ db: 'user', table: 'users' }] });
    const early: unknown[] = [];
    const late: unknown[] = [];
    const subscription = app.cacheflow.events$.subscribe((event) => early.push(event.after?.['id']));
    await stage.sql.query("INSERT INTO user.users VALUES (1, 'a')");
    await app.cacheflow.caughtUp();
    subscription.unsubscribe();
    app.cacheflow.events$.subscribe((event) => late.push(event.after?.['id']));
    await stage.sql.query("INSERT INTO user.users VALUES (2, 'a')");
    await app.cacheflow.caughtUp();
    expect([early, late]).toEqual([[1], [2]]);
  });

  it('completes at shutdown, for those who come later too', async () => {
    const app = await stage.app({ tables: TABLES });
    const completed: string[] = [];
    app.cacheflow.events$.subscribe({ complete: () => completed.push('events$') });
    app.cacheflow.errors$.subscribe({ complete: () => completed.push('errors$') });
    app.cacheflow.events$.subscribe({
      complete: () => {
        throw new RangeError('in complete');
      },
    });
    app.cacheflow.events$
      .pipe(switchMap(() => new Subject()))
      .subscribe({ complete: () => completed.push('piped') });
    await app.close();
    expect(completed.sort()).toEqual(['errors$', 'events$', 'piped']);
    app.cacheflow.events$.subscribe({ complete: () => completed.push('late') });
    expect(completed).toContain('late');
    expect(uncaught).toEqual([]);
  });
});
