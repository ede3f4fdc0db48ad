import { groupKeys } from '../redis/scripts/group';
import { guardedSet } from '../redis/scripts/guarded-set';
import { checkpointKey } from '../redis/own-keys';
import type { RedisClient } from '../redis/redis-client';
import type { RewindGuard } from '../redis/rewind-guard';
import type { Checkpoint, CheckpointStore } from '../options/checkpoint.store';
import { checkpointFromJson } from './checkpoint-json';

/**
 * Keeps the checkpoint in the Redis that holds the data, on purpose: a failover of Redis that loses the last
 * invalidations loses the same piece of the checkpoint, so that the tail applies just these again.
 */
export class RedisCheckpointStore implements CheckpointStore {
  readonly isFenced = true;

  constructor(
    private readonly client: RedisClient,
    private readonly guard: RewindGuard,
  ) {}

  async load(name: string): Promise<Checkpoint | null> {
    return checkpointFromJson(await this.client.get(checkpointKey(name)));
  }

  /**
   * Never over the checkpoint of a Redis that has gone back: that one tells from where to apply again. Nor over that of
   * a later leader.
   */
  async save(name: string, checkpoint: Checkpoint): Promise<void> {
    const { term } = checkpoint;
    const fence = term === undefined ? undefined : { group: groupKeys(this.client, name).group, term };
    const [key, value] = [checkpointKey(name), JSON.stringify(checkpoint)];
    await guardedSet(this.client, this.guard, { key, value, fence });
  }
}
