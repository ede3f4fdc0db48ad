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
  const running = new Set<string>();
  const overlaps: string[] = [];
  const callsOf = new Map<string, number>();
  const handleAs = (own: string) => async (event: ChangeEvent) => {
    const id = String(event.after?.['id']);
    if (running.has(id)) overlaps.push(textOf(event));
    running.add(id);
    await new Promise((resolve) => setTimeout(resolve, 2));
    calls.push(textOf(event));
    callsOf.set(own, (callsOf.get(own) ?? 0) + 1);
    running.delete(id);
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
  const changes = updates(60, 60);
  const publishing = a.publish(...changes);
  await waitFor(() => calls.length > 100);
  group.set('a', 'b', 'c');
  const [b] = await Promise.all([join('b'), join('c')]);
  await waitFor(() => (callsOf.get('b') ?? 0) > 100 && (callsOf.get('c') ?? 0) > 100);
  await b.stop();
  group.set('a', 'c');
  expect(await publishing).toBe(true);
  await waitFor(() => new Set(calls).size === changes.length, { timeoutMillis: 30_000 });
  expect(overlaps).toEqual([]);
  const inOrder = Array.from({ length: 60 }, (_, n) => n + 1);
  for (const [id, totals] of ordersOf(calls)) expect(totals, `row ${id}`).toEqual(inOrder);
  // A process that leaves finishes what it has begun, and nothing is repeated.
  expect(calls.length).toBe(changes.length);
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
