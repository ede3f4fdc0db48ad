import type { RedisClient } from '../redis/redis-client';
import type { Checkpoint, CheckpointStore } from './checkpoint.store';
import { checkpointFromJson } from './checkpoint-json';

/**
 * Keeps the checkpoint in the Redis that holds the data, on purpose: a failover of Redis that loses the last
 * invalidations loses the same piece of the checkpoint, so that an app that starts then applies just these again.
 */
export class RedisCheckpointStore implements CheckpointStore {
  constructor(private readonly client: RedisClient) {}

  async load(name: string): Promise<Checkpoint | null> {
    return checkpointFromJson(await this.client.get(checkpointKey(name)));
  }

  async save(name: string, checkpoint: Checkpoint): Promise<void> {
    await this.client.set(checkpointKey(name), JSON.stringify(checkpoint));
  }
}

function checkpointKey(name: string): string {
  return `cacheflow:${name}:checkpoint`;
}

/** Whether a key is one of our own, of any source: a flush must not take it along. */
export function isOwnKey(key: string): boolean {
  return /^cacheflow:.+:(checkpoint|epoch|dead-letters)$/s.test(key);
}
