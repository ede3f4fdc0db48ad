import { generationsOf, recordKey } from '../redis/record';
import type { RedisClient } from '../redis/redis-client';
import { isCluster } from '../redis/redis-client';
import { groupBySlot } from '../redis/slots';
import type { CacheTag } from '../redis/tag';
import type { Unfit } from './leases';
import { joinGenerations } from './leases';

/** What the cache has for a key: a value, or why there is none that may be served. */
export type Found = { readonly text: string } | { readonly text: undefined; readonly unfit: Unfit };

/** Few enough that Redis answers others in between. */
const KEYS_PER_MGET = 1_000;

const NOTHING: Found = { text: undefined, unfit: { kind: 'none' } };

/** Reads values in one round trip. Rejects with the client's error. */
export async function lookUp(
  client: RedisClient,
  keys: readonly string[],
  tags: readonly CacheTag[],
): Promise<Found[]> {
  if (tags.length === 0) {
    const values = await readAll(client, keys);
    return values.map((text) => (text === null ? NOTHING : { text }));
  }
  const prefix = client.options.keyPrefix ?? '';
  const records = keys.map((key) => recordKey(key, prefix));
  const all = await readAll(client, [...keys, ...records, ...tags]);
  const generations = joinGenerations(all.slice(2 * keys.length));
  return keys.map((_key, index): Found => {
    const text = all[index] ?? null;
    const record = all[keys.length + index] ?? null;
    if (text === null) return NOTHING;
    return generationsOf(record) === generations
      ? { text }
      : { text: undefined, unfit: { kind: 'seen', record } };
  });
}

/** In a cluster one question for each key, which go out at once as well. */
async function readAll(client: RedisClient, keys: readonly string[]): Promise<(string | null)[]> {
  const [first] = keys;
  if (keys.length === 1 && first !== undefined) return [await client.get(first)];
  if (isCluster(client)) return Promise.all(keys.map((key) => client.get(key)));
  const parts = groupBySlot(client, keys, (key) => key, KEYS_PER_MGET);
  return (await Promise.all(parts.map((part) => client.mget(part)))).flat();
}
