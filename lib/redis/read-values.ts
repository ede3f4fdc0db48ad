import type { RedisClient } from './redis-client';
import { groupBySlot } from './slots';

/** Few enough that Redis answers others in between. */
const KEYS_PER_MGET = 500;

/** The texts of keys, null where one is absent or holds no text. Rejects with the client's error. */
export async function readValues(client: RedisClient, keys: readonly string[]): Promise<(string | null)[]> {
  const values = Array.from<string | null>({ length: keys.length }).fill(null);
  const places = [...keys.keys()];
  const groups = groupBySlot(client, places, (place) => keys[place] ?? '', KEYS_PER_MGET);
  await Promise.all(
    groups.map(async (group) => {
      const texts = await client.mget(group.map((place) => keys[place] ?? ''));
      for (const [at, place] of group.entries()) values[place] = texts[at] ?? null;
    }),
  );
  return values;
}
