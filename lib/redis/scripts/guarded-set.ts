import { setTimeout as sleep } from 'node:timers/promises';
import { LeadershipLostError } from '../../errors/group.errors';
import type { RedisClient } from '../redis-client';
import type { RewindGuard } from '../rewind-guard';
import { callScript, defineScript } from './script';

/**
 * KEYS: key, counter where Redis counts, group where the caller has a term; ARGV: value, the last count that was
 * acknowledged, the number of rounds that were sent since, the run id that the server must have, or '', the places of
 * counter and group among the KEYS, or 0, the term. Returns 'saved', 'deposed', 'rewound', or 'unsure' where rounds have
 * not counted that should have. It may run twice: it sets the same value.
 */
const SAVE = defineScript(`
local counter, group = KEYS[tonumber(ARGV[5])], KEYS[tonumber(ARGV[6])]
if group and tonumber(redis.call('HGET', group, 'term') or '0') > tonumber(ARGV[7]) then return 'deposed' end
if counter then
  local count = tonumber(redis.call('GET', counter) or '-1')
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

/** By whose right something is saved. */
export interface Fence {
  /** The key of the group. */
  readonly group: string;
  readonly term: number;
}

/**
 * Sets a key that says something of what was written to the cache: never in a Redis that has gone back, where it would
 * no longer be true, and never after a successor has begun its term.
 *
 * @throws RedisRewoundError
 * @throws LeadershipLostError
 */
export async function guardedSet(
  client: RedisClient,
  guard: RewindGuard,
  { key, value, fence }: { readonly key: string; readonly value: string; readonly fence?: Fence | undefined },
): Promise<void> {
  const { counter } = guard;
  if (counter === undefined && !fence) {
    await client.set(key, value);
    return;
  }
  for (;;) {
    if (counter !== undefined) guard.assertSince(counter);
    const { count, underWay, uncountedOn } = guard;
    const keys = [key];
    // A user without the right to the counter would be refused for naming it in KEYS.
    const counterAt = counter === undefined || count < 0 ? 0 : keys.push(counter);
    const groupAt = fence ? keys.push(fence.group) : 0;
    const args = [value, count, underWay, uncountedOn, counterAt, groupAt, fence?.term ?? 0];
    const result = await callScript(client, SAVE, keys, args);
    if (result === 'saved') return;
    if (result === 'deposed') throw new LeadershipLostError('Another process leads the group by now');
    if (counter !== undefined) guard.assertSince(counter);
    if (result === 'rewound') guard.fail();
    await sleep(UNSURE_MILLIS);
  }
}
