import type { RedisClient } from '../redis-client';
import { isCluster } from '../redis-client';

/** Seconds for which the version of a key outlives its last change, at least: longer than any retry takes. */
export const RECORD_SECONDS = 24 * 60 * 60;

/**
 * What stands beside a key, in the record: first the version of the last change that write-through applied to the key,
 * if any (digits and dots); then, while somebody loads the value, `~`, the time at which the lease ends (13 digits, in
 * milliseconds since 1970), and its token; or, beside a value that depends on tags, `#` and the generations that these
 * had. All of it in one string, because one `GET` and one `SET` are all that a script needs then.
 *
 * Lua functions for the scripts that read records.
 */
export const RECORD_LUA = `
local function versionOf(record)
  return record and string.match(record, '^[%d.]+') or ''
end
local function leaseOf(record)
  local at = record and string.find(record, '~', 1, true)
  if at then return tonumber(string.sub(record, at + 1, at + 13)), string.sub(record, at + 14) end
end
local function lifetimeOf(record)
  local left = redis.call('PTTL', record)
  return left > 0 and left or ${RECORD_SECONDS} * 1000
end
`;

/** The generations of the tags that a value depends on; undefined where the record has none. */
export function generationsOf(record: string | null): string | undefined {
  const at = record?.indexOf('#') ?? -1;
  return at < 0 ? undefined : record?.slice(at + 1);
}

/**
 * The key of the record beside a key: in the same slot of a cluster, and another one for each key (`a` and `{a}` too).
 * Both are without the client's prefix, which is a part of what the cluster hashes.
 */
export function recordKey(key: string, keyPrefix: string): string {
  const full = keyPrefix + key;
  return hasHashTag(full) ? `cf::${key}` : `cf:{${full}}`;
}

/** The key that a record belongs to; undefined where the name is none of a record. */
export function keyOfRecord(name: string, keyPrefix: string): string | undefined {
  const inBraces = `cf:{${keyPrefix}`;
  if (name.startsWith(inBraces) && name.endsWith('}')) return name.slice(inBraces.length, -1);
  return name.startsWith('cf::') && hasHashTag(keyPrefix + name) ? name.slice('cf::'.length) : undefined;
}

/** Whether Redis can hold a record beside the key: in a cluster not where a brace would end its hash tag too early. */
export function canHaveRecord(client: RedisClient, key: string): boolean {
  return !isCluster(client) || sharesSlotWithRecord(key, client.options.keyPrefix ?? '');
}

/** See {@link canHaveRecord}. */
export function sharesSlotWithRecord(key: string, keyPrefix: string): boolean {
  const full = keyPrefix + key;
  return hasHashTag(full) ? !keyPrefix.includes('{') || hasHashTag(keyPrefix) : !/[{}]/.test(full);
}

/** The keys, each with its record where it can have one: without it, no lease that was given before is worth anything. */
export function withRecords(client: RedisClient, keys: readonly string[]): string[] {
  const prefix = client.options.keyPrefix ?? '';
  const all: string[] = [];
  // The names of most keys, made without looking at each more than once: thousands of them go in a second.
  const start = `cf:{${prefix}`;
  const isUsual = !prefix.includes('{');
  for (const key of keys) {
    all.push(key);
    // Tags and records have none of their own.
    if (key.startsWith('cf:')) continue;
    if (isUsual && !key.includes('{') && !key.includes('}')) all.push(`${start}${key}}`);
    else if (canHaveRecord(client, key)) all.push(recordKey(key, prefix));
  }
  return all;
}

/** Redis Cluster hashes what stands between the first brace and the next closing one, if that is not empty. */
function hasHashTag(key: string): boolean {
  return key.includes('{') && /^[^{]*\{[^}]+\}/.test(key);
}
