import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Member } from '../../support/distribution-harness';
import { changeOf, startMember } from '../../support/distribution-harness';
import type { RabbitMqServer, RedisServer } from '../../support/servers';
import { startRabbitmq, startRedis } from '../../support/servers';

let rabbit: RabbitMqServer;
let redis: RedisServer;
const running: Member[] = [];
beforeAll(async () => {
  [rabbit, redis] = await Promise.all([startRabbitmq(), startRedis()]);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
});
afterAll(async () => {
  await Promise.all([rabbit?.dispose(), redis?.dispose()]);
});

it("F16: calls handlers after `election` was changed to 'none'", async () => {
  const calls: string[] = [];
  let term = 1_700_000_000_000;
  const options = {
    url: rabbit.url,
    redisPort: redis.port,
    name: 'zero',
    term: () => term,
    handlers: { partitions: 1 },
  };
  const before = await startMember({
    ...options,
    handle: (event) => void calls.push(String(event.after?.['id'])),
  });
  expect(await before.publish(changeOf(1, 1))).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await before.stop();
  // Without an election, the term is 0 (LoneProcess).
  term = 0;
  const after = await startMember({
    ...options,
    handle: (event) => void calls.push(String(event.after?.['id'])),
  });
  running.push(after);
  expect(await after.publish(changeOf(2, 1))).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  console.log(calls, after.warnings);
  expect(calls).toEqual(['1', '2']);
});
