import { readValues } from '../redis/read-values';
import { generationsOf, recordKey } from '../redis/scripts/record';
import type { RedisClient } from '../redis/redis-client';
import type { CacheTag } from '../keys/tag';
import type { Unfit } from './leases';
import { joinGenerations } from './leases';

/** What the cache has for a key: a value, or why there is none that may be served. */
export type Found = { readonly text: string } | { readonly text: undefined; readonly unfit: Unfit };

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

/** A GET where that is enough: an MGET takes a key of another type for one that is not there. */
async function readAll(client: RedisClient, keys: readonly string[]): Promise<(string | null)[]> {
  const [first] = keys;
  return keys.length === 1 && first !== undefined ? [await client.get(first)] : readValues(client, keys);
}
