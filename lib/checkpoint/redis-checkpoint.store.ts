import { checkpointKey } from '../redis/own-keys';
import type { RedisClient } from '../redis/redis-client';
import type { RewindGuard } from '../redis/rewind-guard';
import type { Checkpoint, CheckpointStore } from './checkpoint.store';
import { checkpointFromJson } from './checkpoint-json';

/**
 * KEYS: checkpoint, counter where Redis counts; ARGV: checkpoint, the last count that was acknowledged, the run id that
 * the server must have, or ''.
 */
const SAVE = `
if KEYS[2] and tonumber(redis.call('GET', KEYS[2]) or '-1') < tonumber(ARGV[2]) then return 0 end
if ARGV[3] ~= '' and not string.find(redis.call('INFO', 'server'), 'run_id:' .. ARGV[3], 1, true) then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1
`;

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
    const { counter, count, uncountedOn } = this.guard;
    const json = JSON.stringify(checkpoint);
    if (counter === undefined) {
      await this.client.set(checkpointKey(name), json);
      return;
    }
    // A user who may not count may not name the counter either.
    const keys = count < 0 ? [checkpointKey(name)] : [checkpointKey(name), counter];
    const saved = await this.client.eval(SAVE, keys.length, ...keys, json, count, uncountedOn);
    // A client may be set to give numbers as strings.
    if (Number(saved) === 0) this.guard.fail();
  }
}
