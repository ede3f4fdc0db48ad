import { Injectable } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import { EventsMissedError, HandlerFailedError, OnBinlog } from '../../../lib';
import type { ChangeEvent, EventsOptions } from '../../../lib';
import type { TestApp } from '../../support/app';
import { codesOf } from '../../support/app';
import { placeOf, storedCheckpoint, untilSaved } from '../../support/checkpoint';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.orders (id INT PRIMARY KEY, total INT);
  CREATE TABLE shop.items (
    id BIGINT UNSIGNED PRIMARY KEY, big BIGINT, price DECIMAL(30, 10), raw BLOB, at DATETIME(6), doc JSON, ratio DOUBLE,
    note TEXT
  );`;
const TABLES = [{ db: 'shop', table: '*' }];
/** An idle reader looks every 5 seconds whether the stream is still there. */
const LOOK = { timeoutMillis: 15_000 };
const STREAM = 'cf:{cacheflow:default:checkpoint}:events';

/** What one process keeps in its memory. */
interface Memory {
  readonly events: ChangeEvent[];
  readonly log: string[];
  readonly listener: Type<unknown>;
  /** Calls wait for it. */
  hold: Promise<void>;
  failures: number;
}

function memory(): Memory {
  const kept: Omit<Memory, 'listener'> = { events: [], log: [], hold: Promise.resolve(), failures: 0 };
  @Injectable()
  class Listener {
    @OnBinlog('shop.*', { everywhere: true })
    async onChange(event: ChangeEvent): Promise<void> {
      await kept.hold;
      if (kept.failures-- > 0) throw new RangeError('not now');
      kept.events.push(event);
      kept.log.push(`${event.action} ${String((event.after ?? event.before)?.['id'])}`);
    }
  }
  return Object.assign(kept, { listener: Listener });
}

const idsOf = (events: readonly ChangeEvent[]): unknown[] => events.map(({ after }) => after?.['id']);
const missedBy = (app: TestApp): EventsMissedError[] =>
  app.errors.filter((error) => error instanceof EventsMissedError);

/** A promise that somebody else resolves; at the latest when the test is over, so that apps can be closed. */
function door(): { readonly opened: Promise<void>; open(): void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  onTestFinished(open);
  return { opened, open };
}

describeEachSql('changes for every process', { schema: SCHEMA }, (stage) => {
  afterEach(() => stage.sql.query('TRUNCATE shop.orders; TRUNCATE shop.items'));

  const insert = (id: number): Promise<unknown> =>
    stage.sql.query('INSERT INTO shop.orders VALUES (?, 1)', [id]);

  /** The first process of the group, which leads, or one that takes over from it. */
  async function leader(kept?: Memory, events?: EventsOptions): Promise<TestApp> {
    return stage.app(
      { tables: TABLES, ...(events ? { events } : {}) },
      { providers: kept ? [kept.listener] : [] },
    );
  }

  /** A further process of the group. */
  async function standby(
    kept?: Memory,
    events?: EventsOptions,
    more: { queueSize?: number; maxAttempts?: number } = {},
  ): Promise<TestApp> {
    return stage.boot(
      { tables: TABLES, handlers: { backoffMillis: 1, ...more }, ...(events ? { events } : {}) },
      { providers: kept ? [kept.listener] : [] },
    );
  }

  it('call a handler in each of three, with the values exactly as they were', async () => {
    const kept = [memory(), memory(), memory()] as const;
    const first = await leader(kept[0]);
    await Promise.all([standby(kept[1]), standby(kept[2])]);
    await stage.sql.query(
      `INSERT INTO shop.items VALUES (18446744073709551615, -9007199254740993, 0.1000000000, X'00FF27',
       '2024-02-29 12:34:56.789012', '{"a": [1, "u", null]}', 1.5, NULL)`,
    );
    await stage.sql.query("UPDATE shop.items SET note = 'ü', raw = NULL");
    await stage.sql.query('DELETE FROM shop.items');
    await first.cacheflow.caughtUp();
    expect(first.events).toHaveLength(3);
    for (const { events } of kept) {
      await waitFor(() => events.length === 3, { message: 'the calls' });
      expect(events).toStrictEqual(first.events);
    }
    expect(first.events[0]?.after?.['raw']).toBeInstanceOf(Buffer);
    expect(first.events[0]?.after?.['at']).toBeInstanceOf(Date);
  });

  it('are on events$ in each of three if the option says so, in commit order', async () => {
    const events = { delivery: 'everywhere' } as const;
    const apps = [
      await leader(undefined, events),
      await standby(undefined, events),
      await standby(undefined, events),
    ];
    const ids = Array.from({ length: 50 }, (_, id) => id + 1);
    for (const id of ids) await insert(id);
    for (const app of apps) {
      await waitFor(() => app.events.length === ids.length, { message: 'the changes' });
      expect(idsOf(app.events)).toEqual(ids);
      expect(app.cacheflow.status().counters.events).toBe(ids.length);
      expect(app.errors).toEqual([]);
    }
  });

  it('are on events$ of the leader alone otherwise, and cost no connection and no stream', async () => {
    const app = await leader();
    const other = await standby();
    await insert(1);
    await app.cacheflow.caughtUp();
    expect([app.events.length, other.events.length]).toEqual([1, 0]);
    expect(await stage.redis.client('LIST')).not.toContain('cmd=xread');
    expect(await stage.redis.exists(STREAM)).toBe(0);
  });

  it('leave a handler that is for one process to that one', async () => {
    const log: string[] = [];
    @Injectable()
    class Both {
      @OnBinlog('shop.orders')
      once(event: ChangeEvent): void {
        log.push(`once ${String(event.after?.['id'])}`);
      }
      @OnBinlog('shop.orders', { everywhere: true, actions: ['insert'] })
      everywhere(event: ChangeEvent): void {
        log.push(`everywhere ${String(event.after?.['id'])}`);
      }
    }
    const app = await stage.app({ tables: TABLES }, { providers: [Both] });
    await stage.boot({ tables: TABLES }, { providers: [Both] });
    await stage.sql.query('INSERT INTO shop.orders VALUES (7, 1)');
    await stage.sql.query('DELETE FROM shop.orders');
    await app.cacheflow.caughtUp();
    await waitFor(() => log.length === 4, { message: 'the calls' });
    expect(log.sort()).toEqual(['everywhere 7', 'everywhere 7', 'once 7', 'once undefined']);
  });

  it('are tried again where a handler failed, then reported, and never parked', async () => {
    const kept = memory();
    kept.failures = 4;
    const app = await leader(memory());
    const other = await standby(kept, undefined, { maxAttempts: 3 });
    await insert(1);
    await waitFor(() => other.errors.length === 1, { message: 'a report' });
    await insert(2);
    await waitFor(() => kept.events.length === 1, { message: 'the next change' });
    expect(idsOf(kept.events)).toEqual([2]);
    expect(other.errors[0]).toBeInstanceOf(HandlerFailedError);
    expect(other.errors[0]).toMatchObject({
      attempts: 3,
      handler: 'Listener.onChange',
      table: 'shop.orders',
    });
    expect(other.cacheflow.status().counters.handlerFailures).toBe(1);
    expect(await app.cacheflow.deadLetters.list()).toEqual([]);
    expect(app.errors).toEqual([]);
  });

  it('wait for a slow process in the stream, and hold neither the leader nor its checkpoint', async () => {
    const [kept, slow] = [memory(), memory()];
    const gate = door();
    slow.hold = gate.opened;
    const app = await leader(kept);
    const other = await standby(slow, undefined, { queueSize: 2 });
    const ids = Array.from({ length: 40 }, (_, id) => id + 1);
    for (const id of ids) await insert(id);
    await app.cacheflow.caughtUp();
    await waitFor(() => kept.events.length === ids.length, { message: 'the process that is not slow' });
    await untilSaved(app, stage.redis);
    await waitFor(() => other.cacheflow.status().pendingHandlers === 2, { message: 'a full queue' });
    expect(slow.events).toEqual([]);
    gate.open();
    await waitFor(() => slow.events.length === ids.length, { message: 'all of it' });
    expect(idsOf(slow.events)).toEqual(ids);
    expect(missedBy(other)).toEqual([]);
  });

  it('that the stream has dropped are told as missed, between those before and those after', async () => {
    // Redis trims whole nodes.
    await stage.redis.config('SET', 'stream-node-max-entries', '1');
    onTestFinished(() => stage.redis.config('SET', 'stream-node-max-entries', '100').then(() => undefined));
    const slow = memory();
    const gate = door();
    slow.hold = gate.opened;
    const events = { maxLength: 3 };
    const app = await leader(memory(), events);
    const other = await standby(slow, events, { queueSize: 1 });
    other.cacheflow.errors$.subscribe((error) => slow.log.push(error.code));
    for (let id = 1; id <= 20; id++) {
      await insert(id);
      await app.cacheflow.caughtUp();
    }
    await waitFor(async () => (await stage.redis.xlen(STREAM)) <= 4, { message: 'a short stream' });
    gate.open();
    await waitFor(() => slow.log.at(-1) === 'insert 20', { message: 'the end' });
    const at = slow.log.indexOf('CACHEFLOW_EVENTS_MISSED');
    const handled = slow.events.map(({ after }) => Number(after?.['id']));
    expect(missedBy(other)).toHaveLength(1);
    expect(handled.length).toBeLessThan(20);
    expect(handled.slice(0, at)).toEqual(handled.slice(0, at).map((_, index) => index + 1));
    expect(handled.slice(at)).toEqual(
      Array.from({ length: 20 - handled[at]! + 1 }, (_, i) => handled[at]! + i),
    );
    // The range is exactly what is missing.
    const told = app.events.slice(at, handled[at]! - 1).map(({ position }) => position.offset);
    const { from, to } = missedBy(other)[0]?.missed ?? {};
    expect(told.length).toBeGreaterThan(0);
    expect(from?.offset).toBeLessThanOrEqual(told[0] ?? 0);
    expect(from?.offset).toBeGreaterThan(app.events[at - 1]?.position.offset ?? 0);
    expect(to?.offset).toBeGreaterThan(told.at(-1) ?? 0);
    expect(to?.offset).toBeLessThanOrEqual(app.events[handled[at]! - 1]?.position.offset ?? 0);
    expect(missedBy(other)[0]?.message).toContain(
      `from ${from?.file}:${from?.offset} to ${to?.file}:${to?.offset}`,
    );
  });

  it(
    'are told as missed when Redis was emptied, also while nothing changes',
    { timeout: 30_000 },
    async () => {
      const kept = memory();
      const app = await leader(memory());
      const other = await standby(kept);
      await insert(1);
      await waitFor(() => kept.events.length === 1, { message: 'the first change' });
      app.cacheflow.pause();
      await stage.redis.flushall();
      await waitFor(() => missedBy(other).length > 0, { ...LOOK, message: 'a report' });
      expect(missedBy(other)[0]?.missed).toMatchObject({
        from: { file: expect.stringContaining('binlog.') },
      });
      await app.cacheflow.resume();
      await insert(2);
      await waitFor(() => kept.log.at(-1) === 'insert 2', { message: 'the next change' });
    },
  );

  it('come again when Redis has gone back to an older snapshot', { timeout: 40_000 }, async () => {
    const kept = memory();
    const app = await leader(memory());
    await standby(kept);
    for (const id of [1, 2]) await insert(id);
    await waitFor(() => kept.events.length === 2, { message: 'the first changes' });
    await untilSaved(app, stage.redis);
    await stage.redisServer.command('SAVE');
    for (const id of [3, 4, 5]) {
      await insert(id);
      await app.cacheflow.caughtUp();
    }
    await waitFor(() => kept.events.length === 5, { message: 'the changes that Redis loses' });
    await stage.redisServer.kill();
    await stage.redisServer.start();
    await insert(6);
    await waitFor(() => kept.log.at(-1) === 'insert 6', { ...LOOK, message: 'the last change' });
    expect(kept.log.join()).toMatch(/insert 1,insert 2,insert 3,insert 4,insert 5,.*insert 6$/);
    expect(codesOf(app)).toContain('CACHEFLOW_REDIS_REWOUND');
  });

  it('of a table that was truncated are told as missed, after the calls for what was before', async () => {
    const [kept, slow] = [memory(), memory()];
    const gate = door();
    slow.hold = gate.opened;
    const writer = await leader(kept);
    const other = await standby(slow);
    other.cacheflow.errors$.subscribe((error) => slow.log.push(error.code));
    await insert(1);
    await stage.sql.query('TRUNCATE shop.orders');
    await insert(2);
    await waitFor(() => kept.log.at(-1) === 'insert 2', { message: 'the last change' });
    gate.open();
    await waitFor(() => slow.log.at(-1) === 'insert 2', { message: 'the last change of the slow process' });
    expect(slow.log).toEqual(['insert 1', 'CACHEFLOW_EVENTS_MISSED', 'insert 2']);
    expect(missedBy(other).map(({ missed }) => missed.table)).toEqual(['shop.orders']);
    expect(writer.errors.map(({ code }) => code)).toEqual(['CACHEFLOW_EVENTS_MISSED']);
  });

  it('that the source no longer has are told as missed', { timeout: 60_000 }, async () => {
    const kept = memory();
    const app = await leader(memory());
    const other = await standby(kept);
    await insert(1);
    await waitFor(() => kept.events.length === 1, { message: 'the first change' });
    await untilSaved(app, stage.redis);
    await app.cacheflow.pause();
    await stage.sql.query(stage.sql.kind === 'mysql' ? 'RESET BINARY LOGS AND GTIDS' : 'RESET MASTER');
    await insert(2);
    await app.cacheflow.resume();
    await waitFor(() => missedBy(other).length > 0, { ...LOOK, message: 'a report' });
    await insert(3);
    await waitFor(() => kept.log.at(-1) === 'insert 3', { message: 'the last change' });
    expect(codesOf(app)).toContain('CACHEFLOW_POSITION_LOST');
    expect(missedBy(other)[0]?.missed.table).toBeUndefined();
  });

  it('that another version has written in another form are told as missed', async () => {
    const kept = memory();
    await leader(memory());
    const other = await standby(kept);
    await insert(1);
    await waitFor(() => kept.events.length === 1, { message: 'the first change' });
    // It knows of no entries before, and of no stretches.
    const strange = await stage.redis.xadd(STREAM, '*', 'version', '2');
    const last = (await stage.redis.xrevrange(STREAM, '+', '-', 'COUNT', 1))[0]?.[0] ?? '';
    const id = await stage.redis.xadd(
      STREAM,
      '*',
      'name',
      'strange',
      'after',
      last,
      'stretch',
      '{}',
      'changes',
      '["a",{"v":2}]',
    );
    await stage.redis.hset(`${STREAM}-head`, 'id', String(id), 'name', 'strange');
    await insert(2);
    await waitFor(() => kept.log.at(-1) === 'insert 2', { message: 'the next change' });
    expect(strange).toBe(last);
    // The first one does not follow, and neither can be read.
    const causes = missedBy(other).map(({ cause }) => (cause as Error | undefined)?.name);
    expect(causes).toEqual([undefined, 'SyntaxError', 'SyntaxError']);
    expect(codesOf(other)).toEqual(['CACHEFLOW_EVENTS_MISSED']);
  });

  it('are all told though the leader is killed', { timeout: 60_000 }, async () => {
    const kept = memory();
    const events = { delivery: 'everywhere' } as const;
    const first = await stage.spawn(stage.options({ tables: TABLES, events }));
    await first.caughtUp();
    const other = await standby(kept, events);
    const ids = Array.from({ length: 100 }, (_, id) => id + 1);
    for (const id of ids) {
      await insert(id);
      if (id === 50) await first.kill();
    }
    await waitFor(() => kept.log.at(-1) === 'insert 100', { ...LOOK, message: 'the last change' });
    expect([...new Set(idsOf(kept.events))]).toEqual(ids);
    expect(missedBy(other)).toEqual([]);
    expect(other.cacheflow.status().group.role).toBe('leader');
  });

  it('hold the checkpoint while Redis refuses them, but not the cache', { timeout: 30_000 }, async () => {
    const kept = memory();
    const app = await leader(kept);
    await insert(1);
    await waitFor(() => kept.events.length === 1, { message: 'the first change' });
    await untilSaved(app, stage.redis);
    const { checkpoint } = app.cacheflow.status();
    await stage.cache('shop:orders:2');
    onTestFinished(() => stage.redis.acl('SETUSER', 'default', '+@all').then(() => undefined));
    await stage.redis.acl('SETUSER', 'default', '-xadd');
    await insert(2);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.exists('shop:orders:2')).toBe(0);
    await waitFor(() => codesOf(app).includes('CACHEFLOW_REDIS_UNAVAILABLE'), { message: 'a report' });
    expect(app.cacheflow.status().checkpoint).toEqual(checkpoint);
    expect(idsOf(kept.events)).toEqual([1]);
    await stage.redis.acl('SETUSER', 'default', '+@all');
    await waitFor(() => kept.events.length === 2, { message: 'the change' });
    await untilSaved(app, stage.redis);
    expect(idsOf(kept.events)).toEqual([1, 2]);
  });

  it('are written before a clean shutdown saves the checkpoint', { timeout: 30_000 }, async () => {
    const kept = memory();
    const app = await leader(memory());
    await standby(kept);
    onTestFinished(() => stage.redis.acl('SETUSER', 'default', '+@all').then(() => undefined));
    await stage.redis.acl('SETUSER', 'default', '-xadd');
    await insert(1);
    await app.cacheflow.caughtUp();
    const { position } = app.cacheflow.status();
    await waitFor(() => codesOf(app).includes('CACHEFLOW_REDIS_UNAVAILABLE'), { message: 'a report' });
    const closed = app.close();
    await stage.redis.acl('SETUSER', 'default', '+@all');
    await closed;
    expect(placeOf(await storedCheckpoint(stage.redis))).toBe(placeOf(position));
    await leader(memory());
    await insert(2);
    await waitFor(() => kept.log.at(-1) === 'insert 2', { message: 'the next change' });
    expect(kept.log).toEqual(['insert 1', 'insert 2']);
  });

  it('are told as missed by a process that starts while Redis is away', { timeout: 30_000 }, async () => {
    const kept = memory();
    await leader(memory());
    stage.redisServer.pause();
    onTestFinished(() => stage.redisServer.resume());
    const other = await stage.boot({ tables: TABLES }, { providers: [kept.listener] });
    stage.redisServer.resume();
    await waitFor(() => missedBy(other).length > 0, { message: 'a report' });
    expect(missedBy(other)[0]?.missed.from).toBeUndefined();
    await insert(1);
    await waitFor(() => kept.log.at(-1) === 'insert 1', { message: 'the change' });
  });

  it('reach each of three processes once, also after a kill -9', { timeout: 60_000 }, async () => {
    const options = {
      ...stage.options({ tables: TABLES, events: { delivery: 'everywhere' } }),
      countEvents: true,
    };
    const processes = [await stage.spawn(options), await stage.spawn(options), await stage.spawn(options)];
    const received = async (least: number, by: typeof processes): Promise<number[]> => {
      for (const each of by)
        await waitFor(async () => (await each.report()).events >= least, { message: `${least} changes` });
      return Promise.all(by.map(async (each) => (await each.report()).events));
    };
    for (const each of processes) await each.caughtUp();
    for (let id = 1; id <= 20; id++) await insert(id);
    expect(await received(20, processes)).toEqual([20, 20, 20]);
    const reports = await Promise.all(processes.map((each) => each.report()));
    const leads = reports.map(({ status }) => status.group.role === 'leader');
    expect(leads.filter(Boolean)).toHaveLength(1);
    await processes[leads.indexOf(true)]?.kill();
    for (let id = 21; id <= 40; id++) await insert(id);
    // A change that the checkpoint did not cover comes again, to both of them.
    const others = processes.filter((_, at) => !leads[at]);
    await others[0]?.caughtUp();
    await waitFor(
      async () => {
        const [one = 0, two = 0] = await received(40, others);
        return one === two;
      },
      { message: 'as many changes here as there' },
    );
  });

  it('keep no process from ending', { timeout: 30_000 }, async () => {
    const tail = await stage.spawn({
      ...stage.options({ tables: TABLES, events: { delivery: 'everywhere' } }),
      countEvents: true,
    });
    await tail.caughtUp();
    await insert(1);
    await waitFor(async () => (await tail.report()).events === 1, { message: 'the change' });
    expect(await tail.close()).toBe(0);
  });
});
