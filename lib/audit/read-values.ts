import calculateSlot from 'cluster-key-slot';
import type { RedisClient } from '../redis/redis-client';
import { isCluster } from '../redis/redis-client';

const KEYS_PER_MGET = 500;

/** The texts of keys, null where one is absent or holds no text. One MGET takes keys of one slot in a cluster. */
export async function readValues(client: RedisClient, keys: readonly string[]): Promise<(string | null)[]> {
  const values = Array.from<string | null>({ length: keys.length }).fill(null);
  await Promise.all(
    groups(client, keys).map(async (indexes) => {
      const texts = await client.mget(indexes.map((index) => keys[index] ?? ''));
      for (const [at, index] of indexes.entries()) values[index] = texts[at] ?? null;
    }),
  );
  return values;
}

/** Places of keys that one command can take. */
function groups(client: RedisClient, keys: readonly string[]): number[][] {
  const prefix = client.options.keyPrefix ?? '';
  const open = new Map<number, number[]>();
  const full: number[][] = [];
  for (const [index, key] of keys.entries()) {
    const slot = isCluster(client) ? calculateSlot(prefix + key) : 0;
    const group = open.get(slot) ?? [];
    group.push(index);
    if (group.length < KEYS_PER_MGET) {
      open.set(slot, group);
    } else {
      full.push(group);
      open.delete(slot);
    }
  }
  return [...full, ...open.values()];
}
