import { waitFor } from '../../support/wait-for';
import { Logger } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { TransactionPiece } from '../../../lib/change/stream';
import { CacheflowError } from '../../../lib';
import { ErrorReporter } from '../../../lib/errors/error-reporter';
import { EventsCursor } from '../../../lib/events/everywhere/events-cursor';
import type { EventsStep } from '../../../lib/events/everywhere/events-cursor';
import { EventsWriter } from '../../../lib/events/everywhere/events-writer';
import { StreamBound } from '../../../lib/events/everywhere/stream-bound';
import { eventsKeys } from '../../../lib/redis/own-keys';
import type { RedisConnection } from '../../../lib/redis/redis-connection';
import { RedisHold } from '../../../lib/redis/redis-hold';
import { appendEvents } from '../../../lib/redis/scripts/append-events';
import { connectRedis } from '../../support/each-sql';
import type { RedisServer } from '../../support/servers';
import { startRedis } from '../../support/servers';

const KEYS = eventsKeys('test', '');
const stream = { serverUuid: 'a', epoch: 1 };
const TABLE = { schema: 'shop', table: 'orders', columns: ['id'], primaryKey: ['id'] };

let server: RedisServer;
let redis: Redis;
let ending: AbortController;
let term: number;
let reported: CacheflowError[];

beforeAll(async () => {
  Logger.overrideLogger(false);
  server = await startRedis();
  redis = connectRedis(server);
});
afterAll(async () => {
  redis?.disconnect();
  await server?.dispose();
});
beforeEach(async () => {
  await redis.flushall();
  ending = new AbortController();
  term = 0;
  reported = [];
});
afterEach(() => ending.abort(new Error('The test is over')));

function writer(maxLength = 100): EventsWriter {
  const errors = new ErrorReporter('test');
  errors.errors$.subscribe((error) => reported.push(error));
  const connection = { client: redis } as unknown as RedisConnection;
  return new EventsWriter({
    keys: KEYS,
    redis: connection,
    hold: new RedisHold(connection, errors),
    errors,
    bound: new StreamBound(maxLength, 1e9),
    signal: ending.signal,
    wants: () => true,
  });
}

/** A transaction with one change; its place is its id. */
function transaction(id: number): TransactionPiece {
  const position = { file: 'binlog.000001', offset: id * 10, row: 0 };
  return {
    items: [
      {
        kind: 'row',
        action: 'insert',
        table: TABLE,
        projected: false,
        before: null,
        after: { id },
        beforeComplete: true,
        afterComplete: true,
        position,
        gtid: undefined,
        timestamp: 0,
      },
    ],
    bytes: 1,
    end: { file: 'binlog.000001', offset: id * 10 + 10 },
    gtid: undefined,
  };
}

async function write(to: EventsWriter, id: number): Promise<boolean | undefined> {
  const outcome = await to.write([transaction(id)], {
    value: { file: 'binlog.000001', offset: id * 10 },
    stream: { ...stream, term },
  });
  return outcome?.settled;
}

/** A reader at the end that the stream has now, which does not wait. */
async function reader(): Promise<() => Promise<string[]>> {
  const client = {
    hmget: (key: string, ...names: string[]) => redis.hmget(key, ...names),
    xread: (...args: (string | number)[]) =>
      redis.call('XREAD', ...args.filter((_, at) => args[at - 1] !== 'BLOCK' && args[at] !== 'BLOCK')),
  } as unknown as Redis;
  const cursor = new EventsCursor(client, KEYS);
  await cursor.fix(ending.signal);
  return async () => {
    const steps: string[] = [];
    for await (const step of cursor.read(ending.signal)) steps.push(textOf(step));
    return steps;
  };
}

function textOf(step: EventsStep): string {
  if (step.kind === 'entry') return /"id":(\d+)/.exec(step.changes)?.[1] ?? '?';
  const { from, to } = step.missed;
  return `missed ${from?.offset}-${to?.offset}`;
}

it('tells every reader the same, in order, from where each began', async () => {
  const tail = writer();
  const first = await reader();
  await write(tail, 1);
  const second = await reader();
  await write(tail, 2);
  expect(await first()).toEqual(['1', '2']);
  expect(await second()).toEqual(['2']);
  expect(await second()).toEqual([]);
});

it('keeps the changes of a deposed leader out, and says that they are not written', async () => {
  const [tail, read] = [writer(), await reader()];
  term = 3;
  expect(await write(tail, 1)).toBe(true);
  await redis.hset(KEYS.group, 'term', 4);
  expect(await write(tail, 2)).toBe(false);
  // What was given under the old term stays under it, though the process leads again meanwhile.
  const late = write(tail, 3);
  term = 5;
  expect(await late).toBe(false);
  expect(await write(tail, 4)).toBe(true);
  expect(await read()).toEqual(['1', '4']);
});

it('writes once what the client sends twice', async () => {
  const read = await reader();
  const stretch = JSON.stringify({ origin: 'a:1', whole: false, done: true });
  const call = { term: 0, id: 'a:1', maxLength: 10, entries: [{ stretch, changes: '["a",{"id":1}]' }] };
  expect(await appendEvents(redis, KEYS, call)).toBe('added');
  expect(await appendEvents(redis, KEYS, call)).toBe('repeated');
  expect(await appendEvents(redis, KEYS, { ...call, id: 'a:2' })).toBe('added');
  expect(await read()).toEqual(['1', '1']);
});

/** The ids of entries begin with it. */
async function nextMillisecond(): Promise<void> {
  const before = Date.now();
  await waitFor(() => Date.now() > before + 1);
}

it('takes what was lost for missed, and what comes again for a repetition', async () => {
  const read = await reader();
  await write(writer(), 1);
  await write(writer(), 2);
  expect(await read()).toEqual(['1', '2']);
  // Redis went back, and another tail reads again from before what was lost.
  await redis.flushall();
  await nextMillisecond();
  await write(writer(), 2);
  await write(writer(), 3);
  expect(await read()).toEqual(['2', '3']);
  // Nobody reads again.
  await write(writer(), 4);
  await redis.flushall();
  await write(writer(), 5);
  expect(await read()).toEqual(['missed 40-50', '5']);
});

it('notices that an emptied Redis gives an id again', async () => {
  const [tail, read] = [writer(), await reader()];
  await write(tail, 1);
  expect(await read()).toEqual(['1']);
  const [[id] = ['']] = await redis.xrange(KEYS.events, '-', '+');
  await redis.flushall();
  await write(tail, 2);
  // As if it were still the same millisecond.
  const [[, fields] = ['', []]] = await redis.xrange(KEYS.events, '-', '+');
  await redis.del(KEYS.events);
  await redis.xadd(KEYS.events, id, ...fields);
  await redis.hset(KEYS.eventsHead, 'id', id);
  await write(tail, 3);
  expect(await read()).toEqual(['missed 20-30', '3']);
  expect(await read()).toEqual([]);
});

it('notices so before anything comes after it', async () => {
  const [tail, read] = [writer(), await reader()];
  await write(tail, 1);
  expect(await read()).toEqual(['1']);
  const { id } = await redis.hgetall(KEYS.eventsHead);
  await redis.flushall();
  await write(tail, 2);
  await redis.del(KEYS.events);
  await redis.hset(KEYS.eventsHead, 'id', String(id));
  expect(await read()).toEqual(['missed 20-20']);
  expect(await read()).toEqual([]);
});

it('notices that entries are gone though none came after them', async () => {
  const [tail, read] = [writer(), await reader()];
  await write(tail, 1);
  expect(await read()).toEqual(['1']);
  await write(tail, 2);
  await redis.del(KEYS.events);
  expect(await read()).toEqual(['missed 20-20']);
  expect(await read()).toEqual([]);
});

it('ends with the process, and says that what waits is not written', async () => {
  const tail = writer();
  await redis.acl('SETUSER', 'default', '-xadd');
  try {
    const settled = write(tail, 1);
    await expect.poll(() => reported.map(({ code }) => code)).toContain('CACHEFLOW_REDIS_UNAVAILABLE');
    ending.abort(new Error('The shutdown took too long'));
    expect(await settled).toBe(false);
    await tail.idle();
  } finally {
    await redis.acl('SETUSER', 'default', '+@all');
  }
});

it('waits for room when Redis takes nothing, with no more than some megabytes in memory', async () => {
  const tail = writer();
  await redis.acl('SETUSER', 'default', '-xadd');
  try {
    const batch = (id: number): TransactionPiece => {
      const piece = transaction(id);
      return {
        ...piece,
        items: piece.items.map((item) => ({ ...item, after: { id, blob: 'x'.repeat(5e6) } })),
      };
    };
    const given: number[] = [];
    const settled: (Promise<boolean> | undefined)[] = [];
    const giving = (async () => {
      for (let id = 1; id <= 4; id++) {
        settled.push((await tail.write([batch(id)], { value: undefined, stream }))?.settled);
        given.push(id);
      }
    })();
    await expect.poll(() => reported.length).toBeGreaterThan(1);
    expect(given).toEqual([1, 2]);
    await redis.acl('SETUSER', 'default', '+@all');
    await giving;
    expect(await Promise.all(settled)).toEqual([true, true, true, true]);
    expect(await redis.xlen(KEYS.events)).toBe(4);
  } finally {
    await redis.acl('SETUSER', 'default', '+@all');
  }
});
