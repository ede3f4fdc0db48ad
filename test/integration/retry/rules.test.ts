import { Injectable } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type {
  CacheflowStatus,
  ChangeEvent,
  RetryOptions,
  Row,
  TableOptions,
  TableStrategy,
  TableStrategyContext,
} from '../../../lib';
import { OnBinlog } from '../../../lib';
import type { TestApp } from '../../support/app';
import type { Stage } from '../../support/each-sql';
import { describeEachSql } from '../../support/each-sql';
import type { RabbitMqServer } from '../../support/servers';
import { startRabbitmq } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

// The retries in the whole app: what Redis refused comes back over RabbitMQ, and never makes the cache older.

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50));
  CREATE TABLE shop.zoo (id BIGINT UNSIGNED PRIMARY KEY, big BIGINT, photo VARBINARY(10), born DATETIME(3), day DATE);`;
const USERS: TableOptions = { db: 'shop', table: 'users', strategy: 'write-through', ttlSeconds: 600 };
const key = (id: number): string => `shop:users:${id}`;
const value = (id: number, name: string): string => JSON.stringify({ id, name });

let rabbit: RabbitMqServer;
beforeAll(async () => {
  rabbit = await startRabbitmq();
});
afterAll(async () => {
  await rabbit?.dispose();
});

/** Retries after half a second or a little less, through a queue of the test's own. */
function viaBroker(stage: Stage, queue: string, more: Omit<RetryOptions, 'mq'> = {}): RetryOptions {
  const name = `${stage.kind}.${queue}`;
  return {
    maxAttempts: 50,
    backoffMillis: 500,
    maxBackoffMillis: 500,
    ...more,
    mq: { url: rabbit.url, exchange: `${name}.x`, queue: name },
  };
}

/** Everything the key held, without repetitions, until it is stopped. */
function sample(stage: Stage, name: string): { stop(): Promise<(string | null)[]> } {
  const seen: (string | null)[] = [];
  let sampling = true;
  const run = (async () => {
    const look = async (): Promise<void> => {
      const now = await stage.redis.get(name);
      if (seen.length === 0 || seen.at(-1) !== now) seen.push(now);
    };
    while (sampling) await look();
    // What was asked before the stop may be older.
    await look();
    return seen;
  })();
  return {
    stop: () => {
      sampling = false;
      return run;
    },
  };
}

const retry = (app: TestApp): CacheflowStatus['retry'] => app.cacheflow.status().retry;

describeEachSql('a retry', { schema: SCHEMA }, (stage) => {
  afterEach(async () => {
    await setMemory('0');
    await stage.sql.query('DELETE FROM shop.users; DELETE FROM shop.zoo');
  });

  async function setMemory(bytes: '0' | '1'): Promise<void> {
    await stage.redis.config('SET', 'maxmemory-policy', 'noeviction');
    await stage.redis.config('SET', 'maxmemory', bytes);
  }

  async function write(id: number, name: string): Promise<void> {
    await stage.sql.query('REPLACE INTO shop.users VALUES (?, ?)', [id, name]);
  }

  /** The value was refused: its key is gone at once, and the command waits at the broker. */
  async function refuse(app: TestApp, id: number, name: string): Promise<void> {
    const before = retry(app).parked;
    await write(id, name);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get(key(id))).toBeNull();
    expect(retry(app).parked).toBe(before + 1);
  }

  /** As Redis does it under a policy that evicts keys with a time to live. */
  async function evictRecord(id: number): Promise<void> {
    expect(await stage.redis.unlink(`cf:{${key(id)}}`)).toBe(1);
  }

  async function limitedUser(
    name: string,
    ...keys: string[]
  ): Promise<{ port: number; username: string; password: string }> {
    await stage.redis.acl(
      'SETUSER',
      name,
      'reset',
      'on',
      '>pw',
      '+@all',
      '~cacheflow:*',
      '~cf:*',
      '%R~*',
      ...keys,
    );
    return { port: stage.redisServer.port, username: name, password: 'pw' };
  }

  it('writes what was refused, with its time to live, also in a table of a pattern', async () => {
    const tables: TableOptions[] = [{ ...USERS, table: 'u*' }];
    const app = await stage.app({ tables, retry: viaBroker(stage, 'value') });
    await setMemory('1');
    await refuse(app, 1, 'first');
    await setMemory('0');
    await waitFor(async () => (await stage.redis.get(key(1))) === value(1, 'first'), {
      message: 'the retry',
    });
    expect(await stage.redis.ttl(key(1))).toBeGreaterThan(0);
    expect(await stage.redis.ttl(key(1))).toBeLessThanOrEqual(600);
    await waitFor(() => retry(app).retried === 1);
    expect(retry(app).deadLettered).toBe(0);
  });

  it('that arrives after a newer change was written leaves it', async () => {
    const app = await stage.app({ tables: [USERS], retry: viaBroker(stage, 'written') });
    await setMemory('1');
    await refuse(app, 1, 'older');
    await setMemory('0');
    await write(1, 'newer');
    await app.cacheflow.caughtUp();
    const seen = sample(stage, key(1));
    await waitFor(() => retry(app).retried === 1, { message: 'the retry' });
    expect(await seen.stop()).toEqual([value(1, 'newer')]);
  });

  it('that arrives after a newer change was refused as well never shows the older value', async () => {
    const app = await stage.app({ tables: [USERS], retry: viaBroker(stage, 'refused') });
    await setMemory('1');
    await refuse(app, 1, 'older');
    await refuse(app, 1, 'newer');
    const seen = sample(stage, key(1));
    await setMemory('0');
    await waitFor(() => retry(app).retried === 2, { message: 'both retries' });
    expect((await seen.stop()).filter((each) => each !== null)).toEqual([value(1, 'newer')]);
  });

  it('that arrives after the row was deleted, and the record of that was evicted, brings nothing back', async () => {
    const app = await stage.app({ tables: [USERS], retry: viaBroker(stage, 'deleted') });
    await setMemory('1');
    await refuse(app, 1, 'older');
    await stage.sql.query('DELETE FROM shop.users');
    await app.cacheflow.caughtUp();
    await evictRecord(1);
    const seen = sample(stage, key(1));
    await setMemory('0');
    await waitFor(() => retry(app).retried === 1, { message: 'the retry' });
    expect(await seen.stop()).toEqual([null]);
  });

  it('that a new process does, which has only the records to go by, brings nothing back', async () => {
    const options = {
      tables: [USERS],
      retry: viaBroker(stage, 'restarted', { backoffMillis: 4_000, maxBackoffMillis: 4_000 }),
    };
    const app = await stage.app(options);
    await setMemory('1');
    for (const id of [1, 2, 3, 4]) await refuse(app, id, 'older');
    await stage.sql.query('DELETE FROM shop.users WHERE id IN (1, 2)');
    await app.cacheflow.caughtUp();
    await evictRecord(1);
    await evictRecord(3);
    await setMemory('0');
    const { cacheflow } = app;
    await waitFor(() => cacheflow.status().checkpoint?.offset === cacheflow.status().position?.offset);
    const seen = [1, 2, 3, 4].map((id) => sample(stage, key(id)));
    await app.close();
    const next = await stage.app(options);
    expect(next.cacheflow.status().counters.changes).toBe(0);
    await waitFor(() => retry(next).retried === 4, { message: 'the retries' });
    // Of the third nothing tells that it is the newest, though it is: the next reader loads it.
    expect(await Promise.all(seen.map((each) => each.stop()))).toEqual([
      [null],
      [null],
      [null],
      [null, value(4, 'older')],
    ]);
  });

  it('of a removal that the user may not do is done once the user may', async () => {
    const redis = await limitedUser('limited');
    for (const strategy of ['cache-aside', 'write-through'] as const) {
      const app = await stage.app({
        redis,
        tables: [{ db: 'shop', table: 'users', strategy }],
        retry: viaBroker(stage, `acl.${strategy}`),
      });
      await write(1, 'first');
      await app.cacheflow.caughtUp();
      await stage.cache(key(1));
      await stage.sql.query('DELETE FROM shop.users');
      await app.cacheflow.caughtUp();
      expect(await stage.redis.get(key(1))).toBe('cached');
      expect(retry(app)).toMatchObject({ parked: 2, retried: 0 });
      await stage.redis.acl('SETUSER', 'limited', '~shop:*');
      await waitFor(() => retry(app).retried === 2, { message: 'the removals' });
      expect(await stage.redis.get(key(1))).toBeNull();
      expect(retry(app).deadLettered).toBe(0);
      await app.close();
      await limitedUser('limited');
    }
  });

  it('is none while Redis as a whole is away: nothing is parked', async () => {
    const app = await stage.app({ tables: [USERS], retry: viaBroker(stage, 'away') });
    await stage.redisServer.kill();
    await write(1, 'meanwhile');
    await waitFor(() => app.errors.some(({ code }) => code === 'CACHEFLOW_REDIS_UNAVAILABLE'));
    await waitFor(() => Date.now() - (app.cacheflow.status().redis.waitingSince ?? Infinity) > 300, {
      message: 'a status that tells of the wait',
    });
    await stage.redisServer.start();
    await waitFor(async () => (await stage.redis.get(key(1))) === value(1, 'meanwhile'));
    await app.cacheflow.caughtUp();
    expect(retry(app)).toMatchObject({ parked: 0, deadLettered: 0 });
    await waitFor(() => app.cacheflow.status().redis.waitingSince === undefined);
  });

  it('is what the tail goes on without only once the broker has confirmed it', async () => {
    const app = await stage.app({ tables: [USERS], retry: viaBroker(stage, 'confirm') });
    await setMemory('1');
    // Opens the channel: nothing but the confirm is missing from the next one.
    await refuse(app, 2, 'first');
    rabbit.pause();
    try {
      await write(1, 'held');
      await waitFor(() => retry(app).parked === 2);
      await expect(app.cacheflow.caughtUp({ timeoutMillis: 1_500 })).rejects.toThrow();
      expect(await stage.redis.get(key(1))).toBeNull();
    } finally {
      rabbit.resume();
    }
    await app.cacheflow.caughtUp();
  });

  it('calls a strategy of the app again, until it works or something newer came by', async () => {
    const calls: string[] = [];
    let failures = 2;
    @Injectable()
    class Writer implements TableStrategy<{ id: number; name: string }> {
      async onInsert(
        { after }: ChangeEvent<{ id: number; name: string }>,
        { keys, ttlSeconds = 1 }: TableStrategyContext,
      ): Promise<void> {
        calls.push(String(after?.name));
        if (failures-- > 0) throw new TypeError('not now');
        for (const each of keys) await stage.redis.set(each, String(after?.name), 'EX', ttlSeconds);
      }
      onUpdate = this.onInsert;
      onDelete(): void {}
    }
    const app = await stage.app({
      tables: [{ ...USERS, strategy: Writer }],
      retry: viaBroker(stage, 'strategy'),
    });
    await stage.redis.set(key(1), 'what was there');
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'one')");
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get(key(1))).toBeNull();
    await waitFor(() => retry(app).retried === 1, { message: 'the retry' });
    expect(calls).toEqual(['one', 'one', 'one']);
    expect(await stage.redis.get(key(1))).toBe('one');
    expect(await stage.redis.ttl(key(1))).toBeGreaterThan(0);

    failures = 1;
    await stage.sql.query("UPDATE shop.users SET name = 'two'");
    await stage.sql.query("UPDATE shop.users SET name = 'three'");
    await app.cacheflow.caughtUp();
    // Where both came in one batch, the key is removed for the one that failed, after the other one.
    expect([null, 'three']).toContain(await stage.redis.get(key(1)));
    const seen = sample(stage, key(1));
    await waitFor(() => retry(app).retried === 2, { message: 'the second retry' });
    expect((await seen.stop()).filter((each) => each !== null && each !== 'three')).toEqual([]);
    expect(calls).toEqual(['one', 'one', 'one', 'two', 'three']);
  });

  it('of a strategy that fails in the midst of it leaves nothing old where something newer came by', async () => {
    let going: () => void = () => undefined;
    let inHand = false;
    let calls = 0;
    const newer = new Promise<void>((resolve) => (going = resolve));
    @Injectable()
    class Writer implements TableStrategy<{ id: number; name: string }> {
      async onInsert(
        { after }: ChangeEvent<{ id: number; name: string }>,
        { keys }: TableStrategyContext,
      ): Promise<void> {
        if (after?.name === 'older') {
          if (++calls === 1) throw new TypeError('not now');
          inHand = true;
          await newer;
        }
        for (const each of keys) await stage.redis.set(each, String(after?.name));
        if (after?.name === 'older') throw new TypeError('after it was written');
      }
      onUpdate = this.onInsert;
      onDelete(): void {}
    }
    const app = await stage.app({
      tables: [{ ...USERS, strategy: Writer }],
      retry: viaBroker(stage, 'midst', { maxAttempts: 2 }),
    });
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'older')");
    await waitFor(() => inHand, { message: 'the retry' });
    await stage.sql.query("UPDATE shop.users SET name = 'newer'");
    await app.cacheflow.caughtUp();
    going();
    await waitFor(() => retry(app).retried + retry(app).deadLettered === 1, {
      message: 'the end of the retry',
    });
    expect(await stage.redis.get(key(1))).not.toBe('older');
  });

  it('calls a handler again with the very same event', async () => {
    const events: ChangeEvent[] = [];
    class Handlers {
      @OnBinlog('shop.zoo')
      async onZoo(event: ChangeEvent<Row>): Promise<void> {
        events.push(event);
        if (events.length < 4) throw new TypeError('not now');
      }
    }
    const app = await stage.app(
      {
        tables: [{ db: 'shop', table: 'zoo' }],
        handlers: { maxAttempts: 2, backoffMillis: 1 },
        retry: viaBroker(stage, 'handler'),
      },
      { providers: [Handlers] },
    );
    await stage.sql.query(
      "INSERT INTO shop.zoo VALUES (18446744073709551615, -9223372036854775808, x'00ff80', '2001-02-03 04:05:06.789', '2001-02-03')",
    );
    await app.cacheflow.caughtUp();
    await waitFor(() => retry(app).retried === 1, { message: 'the retry' });
    expect(events).toHaveLength(4);
    expect(events[0]?.after).toMatchObject({
      photo: Buffer.from([0, 255, 128]),
      born: expect.any(Date) as Date,
    });
    for (const event of events) expect(event).toStrictEqual(events[0]);
    expect(retry(app)).toMatchObject({ parked: 1, deadLettered: 0 });
  });

  it.each(['with a broker', 'without one'])(
    'that is given up is a dead letter, %s, and the tail goes on; it can be tried again or discarded',
    async (way) => {
      const redis = await limitedUser('given', `~${key(3)}`);
      const few = { maxAttempts: 2, backoffMillis: 50, maxBackoffMillis: 50 };
      const app = await stage.app({
        redis,
        tables: [{ db: 'shop', table: 'users' }],
        retry: way === 'with a broker' ? viaBroker(stage, 'given', few) : few,
      });
      await stage.cache(key(1), key(2), key(3));
      for (const id of [1, 2, 3]) await write(id, 'changed');
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget(key(1), key(2), key(3))).toEqual(['cached', 'cached', null]);
      const { deadLetters } = app.cacheflow;
      await waitFor(async () => (await deadLetters.list()).length === 2, { message: 'the dead letters' });
      expect(retry(app)).toMatchObject({ parked: 2, retried: 0, deadLettered: 2 });
      const letters = await deadLetters.list();
      expect(letters.map((letter) => letter.key).sort()).toEqual([key(1), key(2)]);
      expect(letters[0]).toMatchObject({
        kind: 'remove',
        reason: 'NOPERM',
        attempts: 2,
        table: 'shop.users',
      });

      const [first, second] = [1, 2].map((id) => letters.find((letter) => letter.key === key(id))?.id ?? '');
      expect(await deadLetters.discard(second ?? '')).toBe(1);
      await stage.redis.acl('SETUSER', 'given', '~shop:*');
      expect(await deadLetters.requeue(first ?? '')).toBe(1);
      await waitFor(() => retry(app).retried === 1, { message: 'the retry' });
      expect(await stage.redis.mget(key(1), key(2))).toEqual([null, 'cached']);
      expect(await deadLetters.list()).toEqual([]);
    },
  );
});
