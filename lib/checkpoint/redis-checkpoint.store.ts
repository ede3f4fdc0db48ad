import { setTimeout as sleep } from 'node:timers/promises';
import { checkpointKey } from '../redis/own-keys';
import type { RedisClient } from '../redis/redis-client';
import type { RewindGuard } from '../redis/rewind-guard';
import type { Checkpoint, CheckpointStore } from './checkpoint.store';
import { checkpointFromJson } from './checkpoint-json';

/**
 * KEYS: checkpoint, counter where Redis counts; ARGV: checkpoint, the last count that was acknowledged, the number of
 * rounds that were sent since, the run id that the server must have, or ''. Returns 'saved', 'rewound', or 'unsure'
 * where rounds have not counted that should have.
 */
const SAVE = `
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
`;

/** Until the answers of rounds are there that tell whether Redis has gone back. */
const UNSURE_MILLIS = 10;

/**
 * Keeps the checkpoint in the Redis that holds the data, on purpose: a failover of Redis that loses the last
 * invalidations loses the same piece of the checkpoint, so that the tail applies just these again.
 */
export class RedisCheckpointStore implements CheckpointStore {
  constructor(
    private readonly client: RedisClient,
    private readonly guard: RewindGuard,
  ) {}

  async load(name: string): Promise<Checkpoint | null> {
    return checkpointFromJson(await this.client.get(checkpointKey(name)));
  }

  /** Never over the checkpoint of a Redis that has gone back: that one tells from where to apply again. */
  async save(name: string, checkpoint: Checkpoint): Promise<void> {
    const json = JSON.stringify(checkpoint);
    const { counter } = this.guard;
    if (counter === undefined) {
      await this.client.set(checkpointKey(name), json);
      return;
    }
    for (;;) {
      this.guard.assertSince(counter);
      const { count, underWay, uncountedOn } = this.guard;
      // A user who may not count may not name the counter either.
      const keys = count < 0 ? [checkpointKey(name)] : [checkpointKey(name), counter];
      const result = await this.client.eval(SAVE, keys.length, ...keys, json, count, underWay, uncountedOn);
      if (result === 'saved') return;
      this.guard.assertSince(counter);
      if (result === 'rewound') this.guard.fail();
      await sleep(UNSURE_MILLIS);
    }
  }
}
