import { createHash } from 'node:crypto';
import { EPOCH_DIGITS } from './version';

/**
 * Sets or removes one key, unless something newer was done to it. Either leaves the version behind, in a record
 * beside the key.
 */
export interface VersionedWrite {
  readonly key: string;
  readonly version: string;
  /** Undefined removes the key. */
  readonly value: string | undefined;
  readonly ttlSeconds: number | undefined;
  /** Remove the key instead of setting it, where no record proves that nothing newer was done to it. */
  readonly needsProof?: boolean;
}

/** A Lua script and its SHA-1, by which Redis knows it after its first use. */
export interface Script {
  readonly lua: string;
  readonly sha: string;
}

/** What a script's call did to each key: nothing to tell, a value replaced by a removal, or a key left as it was. */
const REMOVED_INSTEAD = 'removed:';
const LEFT = 'left:';

/** Seconds for which the version of a key outlives its last change, at least: longer than any retry takes. */
export const RECORD_SECONDS = 24 * 60 * 60;

/**
 * KEYS: key, record, key, record…; ARGV: digits of a version that are its epoch, then version, lifetime of the
 * record, way (set, prove, remove), ttl or '', and value of each key.
 *
 * Versions of two epochs cannot be compared for sure while two tails follow two servers: the key is removed then,
 * which is always right. A value that Redis does not take is removed as well, because what stands there is old.
 */
const VERSIONED_WRITE = `
local function failure(reply)
  return type(reply) == 'table' and reply.err
end
local epoch = tonumber(ARGV[1])
local replies = {}
for i = 1, #KEYS / 2 do
  local key, record = KEYS[2 * i - 1], KEYS[2 * i]
  local version, lifetime, way, ttl, value = unpack(ARGV, 5 * i - 3, 5 * i + 1)
  local reply = ''
  local known = redis.pcall('HGET', record, 'v')
  if failure(known) then
    reply = '${REMOVED_INSTEAD}' .. known.err
    local removed = redis.pcall('UNLINK', key)
    if failure(removed) then reply = '${LEFT}' .. removed.err end
  elseif known and known > version then
    if string.sub(known, 1, epoch) ~= string.sub(version, 1, epoch) then
      local removed = redis.pcall('UNLINK', key)
      if failure(removed) then reply = '${LEFT}' .. removed.err end
    end
  else
    local set
    if way == 'set' or (way == 'prove' and known) then
      if ttl == '' then
        set = redis.pcall('SET', key, value)
      else
        set = redis.pcall('SET', key, value, 'EX', ttl)
      end
      if failure(set) then reply = '${REMOVED_INSTEAD}' .. set.err end
    end
    if not set or failure(set) then
      local removed = redis.pcall('UNLINK', key)
      if failure(removed) then reply = '${LEFT}' .. removed.err end
    end
    local kept = redis.pcall('HSET', record, 'v', version)
    if failure(kept) then
      redis.pcall('UNLINK', record)
      if reply == '' and set then
        redis.pcall('UNLINK', key)
        reply = '${REMOVED_INSTEAD}' .. kept.err
      end
    else
      redis.pcall('EXPIRE', record, lifetime)
    end
  end
  replies[i] = reply
end
return replies
`;

export const versionedWriteScript: Script = {
  lua: VERSIONED_WRITE,
  sha: createHash('sha1').update(VERSIONED_WRITE).digest('hex'),
};

/** The arguments of one call, after the number of keys. */
export function versionedWriteArguments(writes: readonly VersionedWrite[], keyPrefix: string): string[] {
  const keys: string[] = [];
  const args: string[] = [String(EPOCH_DIGITS)];
  for (const { key, version, value, ttlSeconds, needsProof } of writes) {
    keys.push(key, recordKey(key, keyPrefix));
    const way = value === undefined ? 'remove' : needsProof ? 'prove' : 'set';
    const lifetime = Math.max(RECORD_SECONDS, (ttlSeconds ?? 0) * 2);
    args.push(
      version,
      String(lifetime),
      way,
      ttlSeconds === undefined ? '' : String(ttlSeconds),
      value ?? '',
    );
  }
  return [...keys, ...args];
}

/** What became of one key of a call: undefined when all is well. */
export interface WriteRefusal {
  readonly message: string;
  /** Whether the key is gone at least. */
  readonly removed: boolean;
}

export function readVersionedReply(reply: string): WriteRefusal | undefined {
  if (reply === '') return undefined;
  const removed = reply.startsWith(REMOVED_INSTEAD);
  return { message: reply.slice((removed ? REMOVED_INSTEAD : LEFT).length), removed };
}

/**
 * The key of the record beside a key: in the same slot of a cluster. Both are without the client's prefix, which
 * is a part of what the cluster hashes.
 */
export function recordKey(key: string, keyPrefix: string): string {
  const full = keyPrefix + key;
  return hasHashTag(full) ? `cf:${key}` : `cf:{${full}}`;
}

/** The key that a record belongs to; undefined where the name is none of a record. */
export function keyOfRecord(name: string, keyPrefix: string): string | undefined {
  if (!name.startsWith('cf:')) return undefined;
  const inBraces = `cf:{${keyPrefix}`;
  if (name.startsWith(inBraces) && name.endsWith('}')) return name.slice(inBraces.length, -1);
  return hasHashTag(keyPrefix + name) ? name.slice('cf:'.length) : undefined;
}

/** Whether a cluster can hold a record beside the key: not where a brace would end the record's hash tag too early. */
export function canHaveRecord(key: string, keyPrefix: string): boolean {
  const full = keyPrefix + key;
  return hasHashTag(full) ? !keyPrefix.includes('{') || hasHashTag(keyPrefix) : !/[{}]/.test(full);
}

/** Redis Cluster hashes what stands between the first brace and the next closing one, if that is not empty. */
function hasHashTag(key: string): boolean {
  return /^[^{]*\{[^}]+\}/.test(key);
}
