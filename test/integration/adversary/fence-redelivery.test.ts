import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { ChangeEvent } from '../../../lib';
import type { Member, MemberOptions } from '../../support/distribution-harness';
import { TestGroup, changeOf, startMember } from '../../support/distribution-harness';
import type { RabbitMqServer, RedisServer } from '../../support/servers';
import { startRabbitmq, startRedis } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

// A change that the broker has confirmed and the checkpoint has passed, and that goes back to the broker after one of
// the next leader was seen in its partition.

let rabbit: RabbitMqServer;
let redisServer: RedisServer;
let redis: Redis;
const running: Member[] = [];

beforeAll(async () => {
  [rabbit, redisServer] = await Promise.all([startRabbitmq(), startRedis()]);
  redis = new Redis({ port: redisServer.port });
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
});
afterAll(async () => {
  redis?.disconnect();
  await Promise.all([rabbit?.dispose(), redisServer?.dispose()]);
});

async function member(
  name: string,
  handle: MemberOptions['handle'],
  more: Partial<MemberOptions>,
): Promise<Member> {
  const handlers = { partitions: 1, concurrency: 1 };
  const made = await startMember({
    url: rabbit.url,
    redisPort: redisServer.port,
    name,
    handle,
    handlers,
    ...more,
  });
  running.push(made);
  return made;
}

it('is handled when the partition moves to a process that joins', async () => {
  const name = 'moves';
  const group = new TestGroup();
  group.set('a');
  const calls: string[] = [];
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const idOf = (event: ChangeEvent): string => String(event.after?.['id']);
  let term = 10;
  const publisher = await member(name, () => undefined, { consume: false, term: () => term });
  await member(
    name,
    async (event) => {
      calls.push(`a ${idOf(event)}`);
      await opened;
    },
    { members: group.member('a') },
  );
  // The leader publishes two changes, which the broker confirms: its checkpoint moves past both.
  expect(await publisher.publish(changeOf(1, 1), changeOf(2, 1))).toBe(true);
  await waitFor(() => calls.length === 1);
  // It hands the lead over; the next leader publishes what comes after them.
  term = 11;
  expect(await publisher.publish(changeOf(3, 1))).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  // A new process joins.
  const b = await member(name, (event) => void calls.push(`b ${idOf(event)}`), {
    members: group.member('b'),
  });
  group.set('b');
  expect(await publisher.publish(changeOf(4, 1))).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 500));
  open();
  await waitFor(() => calls.some((call) => call.endsWith('4')), { message: 'the last one' });
  await new Promise((resolve) => setTimeout(resolve, 500));
  console.log(calls, b.warnings, b.distribution.status);
  expect(calls.map((call) => call.split(' ')[1])).toEqual(['1', '2', '3', '4']);
});
