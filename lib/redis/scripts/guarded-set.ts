import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisClient } from '../redis-client';
import type { RewindGuard } from '../rewind-guard';
import { callScript, defineScript } from './script';

/**
 * KEYS: key, counter where Redis counts; ARGV: value, the last count that was acknowledged, the number of rounds that
 * were sent since, the run id that the server must have, or ''. Returns 'saved', 'rewound', or 'unsure' where rounds
 * have not counted that should have. It may run twice: it sets the same value.
 */
const SAVE = defineScript(`
if KEYS[2] then
  local count = tonumber(redis.call('GET', KEYS[2]) or '-1')
  if count < tonumber(ARGV[2]) then return 'rewound' end
  if count < tonumber(ARGV[2]) + tonumber(ARGV[3]) then return 'unsure' end
end
if ARGV[4] ~= '' and not string.find(redis.call('INFO', 'server'), 'run_id:' .. ARGV[4], 1, true) then
  return 'rewound'
end
redis.call('SET', KEYS[1], ARGV[1])
return 'saved'
`);

/** Until the answers of rounds are there that tell whether Redis has gone back. */
const UNSURE_MILLIS = 10;

/**
 * Sets a key that says something of what was written to the cache: never in a Redis that has gone back, where it would
 * no longer be true.
 *
 * @throws RedisRewoundError
 */
export async function guardedSet(
  client: RedisClient,
  guard: RewindGuard,
  key: string,
  value: string,
): Promise<void> {
  const { counter } = guard;
  if (counter === undefined) {
    await client.set(key, value);
    return;
  }
  for (;;) {
    guard.assertSince(counter);
    const { count, underWay, uncountedOn } = guard;
    // A user without the right to the counter would be refused for naming it in KEYS.
    const keys = count < 0 ? [key] : [key, counter];
    const result = await callScript(client, SAVE, keys, [value, count, underWay, uncountedOn]);
    if (result === 'saved') return;
    guard.assertSince(counter);
    if (result === 'rewound') guard.fail();
    await sleep(UNSURE_MILLIS);
  }
}
