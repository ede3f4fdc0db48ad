import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Member } from '../../support/distribution-harness';
import { changeOf, startMember } from '../../support/distribution-harness';
import type { RabbitMqServer, RedisServer } from '../../support/servers';
import { startRabbitmq, startRedis } from '../../support/servers';

let rabbit: RabbitMqServer;
let servers: RedisServer[];
const running: Member[] = [];
beforeAll(async () => {
  rabbit = await startRabbitmq();
  servers = await Promise.all([startRedis(), startRedis()]);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
});
afterAll(async () => {
  await Promise.all([rabbit?.dispose(), ...(servers ?? []).map((each) => each.dispose())]);
});

it('F8: two groups of one name with a Redis each do not disturb each other (several-processes.md)', async () => {
  const calls: string[] = [];
  const members: Member[] = [];
  for (const [index, { port }] of servers.entries()) {
    const made = await startMember({
      url: rabbit.url,
      redisPort: port,
      name: 'default',
      term: () => 100 + index,
      handlers: { partitions: 1 },
      handle: (event) => void calls.push(`group ${index}: row ${String(event.after?.['id'])}`),
    });
    running.push(made);
    members.push(made);
  }
  const [one, two] = members as [Member, Member];
  expect(await two.publish(changeOf(2, 1))).toBe(true);
  expect(await one.publish(changeOf(1, 1))).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  console.log(calls, one.warnings, two.warnings);
  expect(calls.sort()).toEqual(['group 0: row 1', 'group 1: row 2']);
});
