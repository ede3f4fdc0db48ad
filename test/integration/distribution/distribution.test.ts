import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { ChangeEvent } from '../../../lib';
import type { RowChange } from '../../../lib/change/stream';
import { toChangeEvent } from '../../../lib/change/to-change-event';
import { Partitions } from '../../../lib/distribution/partitions';
import type { Member, MemberOptions } from '../../support/distribution-harness';
import { TestGroup, changeOf, startMember } from '../../support/distribution-harness';
import { messagesOf, withRabbit } from '../../support/retry-harness';
import type { RabbitMqServer, RedisServer } from '../../support/servers';
import { startRabbitmq, startRedis } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

// The calls of handlers travel through RabbitMQ: each row's in its order, each change's at least once, by any process.

let rabbit: RabbitMqServer;
let redis: RedisServer;
const running: Member[] = [];
const doors: (() => void)[] = [];

beforeAll(async () => {
  [rabbit, redis] = await Promise.all([startRabbitmq(), startRedis()]);
});
afterEach(async () => {
  for (const open of doors.splice(0)) open();
  await Promise.all(running.splice(0).map((each) => each.stop()));
});
afterAll(async () => {
  await Promise.all([rabbit?.dispose(), redis?.dispose()]);
});

async function member(
  name: string,
  handle: MemberOptions['handle'],
  more: Partial<MemberOptions> = {},
): Promise<Member> {
  const made = await startMember({ url: rabbit.url, redisPort: redis.port, name, handle, ...more });
  running.push(made);
  return made;
}

/** A promise that is resolved at the end of the test at the latest. */
function door(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  doors.push(open);
  return { opened, open };
}

/** Updates of some rows, in turn: `total` counts from 1 in each. */
function updates(rows: number, each: number): RowChange[] {
  return Array.from({ length: rows * each }, (_, n) => changeOf(n % rows, Math.floor(n / rows) + 1));
}

/** `id:total`, for comparing. */
function textOf({ before, after }: ChangeEvent): string {
  const row = after ?? before;
  return `${String(row?.['id'])}:${String(row?.['total'])}`;
}

/** The totals of each row in the order of their calls; repeated ones are left out. */
function ordersOf(calls: readonly string[]): Map<string, number[]> {
  const orders = new Map<string, number[]>();
  for (const call of new Set(calls)) {
    const [id = '', total] = call.split(':');
    orders.set(id, [...(orders.get(id) ?? []), Number(total)]);
  }
  return orders;
}

function queuesOf(name: string, count = 4): readonly string[] {
  return new Partitions(name, count).queues;
}

async function waiting(name: string, count = 4): Promise<number> {
  return withRabbit(rabbit.url, async (channel) => {
    let sum = 0;
    for (const queue of queuesOf(name, count)) sum += (await channel.checkQueue(queue)).messageCount;
    return sum;
  });
}

/**
 * After a crash a quorum queue of a single node may stay without a leader, which answers nothing
 * (https://github.com/rabbitmq/rabbitmq-server/issues/10070); this is what an operator does about it.
 */
async function electLeaders(name: string): Promise<void> {
  for (const queue of queuesOf(name)) {
    await rabbit.control('eval', `ra:trigger_election({'%2F_${queue}', node()}).`);
  }
}

it('calls the handlers once for each change, in the order of each row, with the event that they get without it', async () => {
  const events: ChangeEvent[] = [];
  const { publish, errors, distribution } = await member('plain', (event) => events.push(event));
  const changes = updates(50, 20);
  expect(await publish(...changes)).toBe(true);
  await waitFor(() => events.length >= changes.length);
  const byRow = (list: readonly ChangeEvent[]): ChangeEvent[] =>
    [...list].sort((a, b) => a.position.row - b.position.row);
  expect(byRow(events)).toStrictEqual(byRow(changes.map(toChangeEvent)));
  expect(errors).toEqual([]);
  expect(distribution.status).toEqual({ partitions: [0, 1, 2, 3], publishing: 0, fenced: 0 });
  await waitFor(async () => (await waiting('plain')) === 0);
});

it('keeps the order of each row while processes come and go, and each of them gets work', async () => {
  const group = new TestGroup();
  const calls: string[] = [];
  const atWork = new Set<string>();
  const overlaps: string[] = [];
  const callsOf = new Map<string, number>();
  const handleAs = (own: string) => async (event: ChangeEvent) => {
    const id = String(event.after?.['id']);
    if (atWork.has(id)) overlaps.push(textOf(event));
    atWork.add(id);
    await new Promise((resolve) => setTimeout(resolve, 2));
    calls.push(textOf(event));
    callsOf.set(own, (callsOf.get(own) ?? 0) + 1);
    atWork.delete(id);
  };
  const join = async (own: string): Promise<Member> => {
    const made = await member('balance', handleAs(own), {
      members: group.member(own),
      handlers: { partitions: 12 },
    });
    return made;
  };
  group.set('a');
  const a = await join('a');
  let [each, done] = [0, false];
  const publishAll = async (): Promise<void> => {
    while (!done) {
      each++;
      await a.publish(...Array.from({ length: 60 }, (_, id) => changeOf(id, each)));
    }
  };
  const publishing = publishAll();
  await waitFor(() => calls.length > 100);
  group.set('a', 'b', 'c');
  const [b] = await Promise.all([join('b'), join('c')]);
  await waitFor(() => (callsOf.get('b') ?? 0) > 100 && (callsOf.get('c') ?? 0) > 100, {
    timeoutMillis: 20_000,
  });
  await b.stop();
  group.set('a', 'c');
  done = true;
  await publishing;
  await waitFor(() => new Set(calls).size === 60 * each, { timeoutMillis: 30_000 });
  expect(overlaps).toEqual([]);
  const inOrder = Array.from({ length: each }, (_, n) => n + 1);
  for (const [id, totals] of ordersOf(calls)) expect(totals, `row ${id}`).toEqual(inOrder);
  // A process that leaves finishes what it has begun, and nothing is repeated.
  expect(calls.length).toBe(60 * each);
});

it('keeps the order of each row when every process takes itself for the owner of all', async () => {
  const calls: string[] = [];
  const atWork = new Set<string>();
  const overlaps: string[] = [];
  const handle = async (event: ChangeEvent): Promise<void> => {
    const id = String(event.after?.['id']);
    if (atWork.has(id)) overlaps.push(textOf(event));
    atWork.add(id);
    await new Promise((resolve) => setTimeout(resolve, 2));
    calls.push(textOf(event));
    atWork.delete(id);
  };
  const first = await member('owners', handle);
  await member('owners', handle);
  await member('owners', handle);
  const changes = updates(20, 40);
  await first.publish(...changes);
  await waitFor(() => calls.length === changes.length);
  expect(overlaps).toEqual([]);
  const inOrder = Array.from({ length: 40 }, (_, n) => n + 1);
  for (const [id, totals] of ordersOf(calls)) expect(totals, `row ${id}`).toEqual(inOrder);
});

it('gives each process an equal share, wherever it came in the line', async () => {
  const group = new TestGroup();
  const handled = new Map<string, Set<number>>();
  const join = (own: string): Promise<Member> =>
    member(
      'share',
      (event) => handled.set(own, (handled.get(own) ?? new Set()).add(Number(event.after?.['id']))),
      {
        members: group.member(own),
        handlers: { partitions: 12 },
      },
    );
  group.set('a');
  const a = await join('a');
  await join('b');
  await join('c');
  // Before anybody knows of the others, the first one has all of it.
  await a.publish(...updates(120, 1));
  await waitFor(() => handled.get('a')?.size === 120);
  group.set('a', 'b', 'c');
  const shares = (): number[] => ['a', 'b', 'c'].map((own) => handled.get(own)?.size ?? 0);
  await waitFor(
    async () => {
      handled.clear();
      await a.publish(...updates(120, 1));
      await waitFor(async () => (await waiting('share', 12)) === 0);
      return Math.min(...shares()) > 25;
    },
    { timeoutMillis: 20_000, message: 'shares' },
  );
  expect(a.distribution.status?.partitions).toHaveLength(4);
});

it('does not wait for a slow handler: the broker has the change', async () => {
  const { opened, open } = door();
  const calls: string[] = [];
  const { publish, events } = await member('slow', async (event) => {
    await opened;
    calls.push(textOf(event));
  });
  expect(await publish(...updates(2_000, 1))).toBe(true);
  expect(calls).toEqual([]);
  // No more in hand than the broker hands out.
  await waitFor(() => events.pendingHandlers === 4 * 32);
  open();
  await waitFor(() => calls.length === 2_000);
});

it('loses nothing and keeps the order while the broker is away', async () => {
  const calls: string[] = [];
  const { publish, errors } = await member('restart', async (event) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    calls.push(textOf(event));
  });
  // RabbitMQ 3.10 may lose what is in new quorum queues when it is killed; see docs/reference/limits.md.
  await rabbit.restart();
  const changes = updates(40, 100);
  const publishing = publish(...changes);
  await waitFor(() => calls.length > 200);
  await rabbit.kill();
  await rabbit.start();
  await electLeaders('restart');
  expect(await publishing).toBe(true);
  await waitFor(() => new Set(calls).size === changes.length, { timeoutMillis: 40_000 });
  // Repeated calls may follow later ones, as after any crash; each row ends with its latest change.
  const last = new Map(calls.map((call) => call.split(':') as [string, string]));
  expect([...last.values()].every((total) => total === '100')).toBe(true);
  expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['CACHEFLOW_RETRY_UNAVAILABLE']));
});

it('drops what a deposed leader publishes after its successor, also for a process that comes later', async () => {
  const calls: string[] = [];
  const handle = (event: ChangeEvent): void => void calls.push(textOf(event));
  const successor = await member('fence', handle, { term: () => 8 });
  const deposed = await member('fence', handle, { term: () => 7 });
  // What was published before the successor's first change is ahead of it in the queue.
  await deposed.publish(changeOf(1, 1));
  await waitFor(() => calls.includes('1:1'));
  await successor.publish(changeOf(1, 1), changeOf(1, 2));
  await deposed.publish(changeOf(1, 1), changeOf(2, 1));
  await waitFor(async () => calls.includes('1:2') && (await waiting('fence')) === 0);
  const fenced = (): number =>
    (successor.distribution.status?.fenced ?? 0) + (deposed.distribution.status?.fenced ?? 0);
  await waitFor(() => fenced() >= 1);
  expect(calls.filter((call) => call.startsWith('1:'))).toEqual(['1:1', '1:1', '1:2']);
  expect([...successor.warnings, ...deposed.warnings].join()).toMatch(/no longer led \(term 7\)/);

  await Promise.all([successor.stop(), deposed.stop()]);
  const later = await member('fence', handle, { term: () => 7 });
  await later.publish(changeOf(1, 1));
  await waitFor(() => later.distribution.status?.fenced === 1);
  expect(calls.filter((call) => call === '1:1')).toHaveLength(2);
});

it('retries a handler that fails, then parks the call, and goes on with the row', async () => {
  const calls: string[] = [];
  let broken = true;
  const { publish, retry, errors } = await member(
    'failing',
    (event) => {
      calls.push(textOf(event));
      if (broken && event.after?.['total'] === 1) throw new Error('no');
    },
    { handlers: { maxAttempts: 2, backoffMillis: 10 }, retry: { maxAttempts: 2, backoffMillis: 50 } },
  );
  await publish(changeOf(1, 1), changeOf(1, 2));
  await waitFor(() => retry.counters.deadLettered === 1);
  expect(calls.slice(0, 3)).toEqual(['1:1', '1:1', '1:2']);
  expect(errors.map(({ code }) => code)).toEqual(['CACHEFLOW_HANDLER_FAILED', 'CACHEFLOW_DEAD_LETTER']);
  const [letter] = await retry.deadLetters.list();
  expect(letter).toMatchObject({ kind: 'handler', handler: 'Test.handle', table: 'shop.orders' });
  broken = false;
  calls.length = 0;
  await retry.deadLetters.requeue(letter?.id ?? '');
  await waitFor(() => calls.length === 1);
  expect(await waiting('failing')).toBe(0);
});

it('leaves to the next process what it has not begun when it stops, in order', async () => {
  const { opened, open } = door();
  const calls: string[] = [];
  const first = await member('stop', async (event) => {
    await opened;
    calls.push(`first ${textOf(event)}`);
  });
  const changes = updates(1, 10);
  await first.publish(...changes);
  await waitFor(() => first.events.pendingHandlers === 10);
  const stopping = first.stop();
  open();
  await stopping;
  expect(calls).toEqual(['first 0:1']);
  await member('stop', (event) => calls.push(textOf(event)));
  await waitFor(() => calls.length === 10);
  expect(calls).toEqual(['first 0:1', ...changes.slice(1).map((each) => textOf(toChangeEvent(each)))]);
});

it('moves what is no change of this source to the dead letters, and goes on', async () => {
  const calls: string[] = [];
  const { publish, errors, retry } = await member('foreign', (event) => calls.push(textOf(event)));
  await withRabbit(rabbit.url, async (channel) => {
    for (const queue of queuesOf('foreign')) channel.sendToQueue(queue, Buffer.from('hello'));
  });
  await publish(...updates(40, 1));
  await waitFor(() => calls.length === 40);
  await waitFor(async () => (await messagesOf(rabbit.url, 'foreign.dead')).length === 4);
  expect(errors.map(({ code }) => code)).toEqual(
    Array.from({ length: 4 }, () => 'CACHEFLOW_RETRY_UNAVAILABLE'),
  );
  const [letter] = await retry.deadLetters.list();
  expect(letter).toMatchObject({ kind: 'unreadable', reason: 'no change of this source' });
});

it.each(['cacheflow', 'debezium'] as const)('carries every value exactly, as %s', async (envelope) => {
  const events: ChangeEvent[] = [];
  const { publish } = await member(`exact-${envelope}`, (event) => events.push(event), {
    handlers: { envelope },
  });
  const row = {
    id: 1,
    big: 18446744073709551615n,
    negative: -9223372036854775808n,
    binary: Buffer.from([0, 255, 1]),
    date: new Date(1_700_000_000_123),
    never: new Date(NaN),
    nothing: null,
    absent: undefined,
    text: 'é😀\u0000',
    json: { $bigint: '1', deep: [{ $date: null }, null] },
    float: -0,
  };
  const change = changeOf(1, 1, { after: row, gtid: '3e11fa47-71ca-11e1-9e33-c80aa9429562:23' });
  await publish(change);
  await waitFor(() => events.length === 1);
  const [event] = events;
  expect(event).toStrictEqual(toChangeEvent(change));
  expect(Buffer.isBuffer(event?.after?.['binary'])).toBe(true);
  expect(Object.is(event?.after?.['float'], -0)).toBe(true);
});

it('calls the handlers itself for a change that is too large for the broker', async () => {
  const sizes: number[] = [];
  const { publish, warnings } = await member('large', ({ after }) =>
    sizes.push(String(after?.['text']).length),
  );
  await rabbit.control('eval', 'application:set_env(rabbit, max_message_size, 100000).');
  const large = changeOf(1, 1, { after: { id: 1, total: 1, text: 'x'.repeat(200_000) } });
  const small = changeOf(1, 2, { after: { id: 1, total: 2, text: 'x' } });
  expect(await publish(small, large, small)).toBe(true);
  await waitFor(() => sizes.filter((size) => size === 1).length >= 2);
  expect(sizes.filter((size) => size > 1)).toEqual([200_000]);
  expect(warnings.join()).toMatch(/A change of shop\.orders is larger than what RabbitMQ takes/);
  await rabbit.control('eval', 'application:set_env(rabbit, max_message_size, 134217728).');
});

it('refuses another number of partitions while processes serve the old ones or changes wait there', async () => {
  const { opened, open } = door();
  const other = { handlers: { partitions: 6 } };
  const old = await member('count', () => opened);
  await expect(member('count', () => undefined, other)).rejects.toThrow(
    /handlers\.partitions: the number cannot change now: processes that use 4 are running \| Use 4/,
  );
  await old.publish(...updates(10, 1));
  const stopping = old.stop();
  open();
  await stopping;
  const left = await waiting('count');
  expect(left).toBeGreaterThan(0);
  await expect(member('count', () => undefined, other)).rejects.toThrow(
    new RegExp(`the number cannot change now: ${left} changes wait .* \\| Start with .partitions: 4.`),
  );
  const drain = await member('count', () => undefined);
  await waitFor(async () => (await waiting('count')) === 0 && drain.events.pendingHandlers === 0);
  await drain.stop();
  const calls: string[] = [];
  const now = await member('count', (event) => calls.push(textOf(event)), other);
  await now.publish(...updates(10, 1));
  await waitFor(() => calls.length === 10);
  await expect(member('count', () => undefined)).rejects.toThrow(/processes that use 6 are running/);
});

it('parks the calls for a message that was handed out again and again and never done', async () => {
  const calls: string[] = [];
  const handle = (event: ChangeEvent): void => void calls.push(textOf(event));
  const publisher = await member('poison', handle, { consume: false });
  await publisher.publish(changeOf(1, 1));
  await withRabbit(rabbit.url, async (channel) => {
    let deliveries = 0;
    for (const queue of queuesOf('poison')) {
      await channel.consume(queue, (message) => {
        if (message && ++deliveries <= 51) channel.nack(message, false, true);
      });
    }
    await waitFor(() => deliveries > 51);
  });
  const { errors } = await member('poison', handle);
  // By the retries of either.
  await waitFor(() => calls.length === 1);
  expect(errors.map(({ message }) => message)).toEqual([
    expect.stringMatching(
      /Test\.handle failed 5\d times and was given up: DeliveredTooOftenError \(table shop/,
    ),
  ]);
  await waitFor(async () => (await waiting('poison')) === 0);
});

it('says so, and touches nothing, when the group has changed the number behind its back', async () => {
  const made = await member('late', () => undefined);
  const client = new Redis({ port: redis.port });
  await client.hset('cacheflow:late:distribution', 'partitions', 9);
  client.disconnect();
  await rabbit.restart();
  await waitFor(() => made.errors.some(({ message }) => /others of the group use 9/.test(message)), {
    timeoutMillis: 30_000,
  });
  const consumers = await withRabbit(
    rabbit.url,
    async (channel) => (await channel.checkQueue(queuesOf('late')[0] ?? '')).consumerCount,
  );
  expect(consumers).toBe(0);
});

it('refuses a queue that somebody made in another form', async () => {
  const [queue = ''] = queuesOf('classic');
  await withRabbit(rabbit.url, (channel) => channel.assertQueue(queue, { durable: true }));
  await expect(member('classic', () => undefined)).rejects.toThrow(
    /the queue "classic\.handlers\.4\.0" exists already with other properties/,
  );
});
