import { RECORD_LUA, RECORD_SECONDS, recordKey } from './record';
import { defineScript } from './script';
import { EPOCH_DIGITS } from '../version';

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

/** What a script's call did to each key: nothing to tell, a value replaced by a removal, or a key left as it was. */
const REMOVED_INSTEAD = 'removed:';
const LEFT = 'left:';

/**
 * KEYS: key, record, key, record…; ARGV: digits of a version that are its epoch, way (set, prove, remove), lifetime of
 * the records, ttl of the values or '', then the version of each key and, where it is set, its value. Returns what was
 * not done: number of the key, reply, number of the key, reply… May be run twice: what is known is not newer than
 * itself.
 *
 * Versions of two epochs cannot be compared for sure while two tails follow two servers: the key is removed then,
 * which is always right. A value that Redis does not take is removed as well, because what stands there is old. The
 * version takes the place of whatever the record held, so that a lease that was given before is worth nothing.
 */
const VERSIONED_WRITE = `
local function failure(reply)
  return type(reply) == 'table' and reply.err
end
local function remove(key, reply)
  local failed = failure(redis.pcall('UNLINK', key))
  return failed and '${LEFT}' .. failed or reply
end
local epoch, way, lifetime, ttl = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local width = way == 'remove' and 1 or 2
local records = {}
for i = 1, #KEYS / 2 do records[i] = KEYS[2 * i] end
local known = redis.pcall('MGET', unpack(records))
local unreadable = failure(known)
local latest = {}
for i, record in ipairs(records) do
  local version = not unreadable and versionOf(known[i])
  latest[record] = version ~= '' and version
end
local replies = {}
for i, record in ipairs(records) do
  local key, version = KEYS[2 * i - 1], ARGV[5 + (i - 1) * width]
  local last, reply = latest[record], nil
  if unreadable then
    reply = remove(key, '${REMOVED_INSTEAD}' .. unreadable)
  elseif last and last > version then
    if string.sub(last, 1, epoch) ~= string.sub(version, 1, epoch) then
      reply = remove(key)
      -- Without a lease that may have been given.
      redis.pcall('SET', record, last, 'EX', lifetime)
    end
  else
    local set = way == 'set' or (way == 'prove' and last)
    if set then
      local value = ARGV[6 + (i - 1) * width]
      local done
      if ttl == '' then
        done = redis.pcall('SET', key, value)
      else
        done = redis.pcall('SET', key, value, 'EX', ttl)
      end
      if failure(done) then reply = remove(key, '${REMOVED_INSTEAD}' .. done.err) end
    else
      reply = remove(key)
    end
    latest[record] = version
    local kept = redis.pcall('SET', record, version, 'EX', lifetime)
    if failure(kept) then
      redis.pcall('UNLINK', record)
      latest[record] = false
      if set and not reply then reply = remove(key, '${REMOVED_INSTEAD}' .. kept.err) end
    end
  end
  if reply then
    replies[#replies + 1] = i
    replies[#replies + 1] = reply
  end
end
return replies
`;

export const versionedWriteScript = defineScript(RECORD_LUA + VERSIONED_WRITE);

type Way = 'set' | 'prove' | 'remove';

/** Writes that one call can do: they have the same way and the same time to live. */
export interface VersionedGroup {
  readonly way: Way;
  readonly ttlSeconds: number | undefined;
  readonly writes: VersionedWrite[];
}

export function groupVersioned(writes: readonly VersionedWrite[]): VersionedGroup[] {
  const groups: VersionedGroup[] = [];
  let group: VersionedGroup | undefined;
  for (const write of writes) {
    const { ttlSeconds } = write;
    const way = wayOf(write);
    // Most often it is that of the write before.
    if (group?.way !== way || group.ttlSeconds !== ttlSeconds) {
      group = groups.find((each) => each.way === way && each.ttlSeconds === ttlSeconds);
      if (!group) groups.push((group = { way, ttlSeconds, writes: [] }));
    }
    group.writes.push(write);
  }
  return groups;
}

/** The arguments of one call for writes of a group, after the number of keys. */
export function versionedWriteArguments(
  { way, ttlSeconds }: VersionedGroup,
  writes: readonly VersionedWrite[],
  keyPrefix: string,
): string[] {
  const args: string[] = [];
  for (const { key } of writes) args.push(key, recordKey(key, keyPrefix));
  const lifetime = String(recordSeconds({ ttlSeconds }));
  args.push(String(EPOCH_DIGITS), way, lifetime, ttlSeconds === undefined ? '' : String(ttlSeconds));
  for (const { version, value } of writes) {
    args.push(version);
    if (value !== undefined) args.push(value);
  }
  return args;
}

/** How long the record of a value lives. */
export function recordSeconds({ ttlSeconds }: Pick<VersionedGroup, 'ttlSeconds'>): number {
  return Math.max(RECORD_SECONDS, (ttlSeconds ?? 0) * 2);
}

function wayOf({ value, needsProof }: VersionedWrite): Way {
  if (value === undefined) return 'remove';
  return needsProof ? 'prove' : 'set';
}

/** What became of one key of a call: undefined when all is well. */
export interface WriteRefusal {
  readonly message: string;
  /** Whether the key is gone at least. */
  readonly removed: boolean;
}

/** A part of a reply: the key with this number, from 0 on, was removed instead of set. */
export function replyRemoved(index: number, message: string): unknown[] {
  return [index + 1, REMOVED_INSTEAD + message];
}

/** What a call did not do, by the number of the key in it, from 0 on. */
export function* readVersionedReply(reply: readonly unknown[]): Generator<[number, WriteRefusal]> {
  for (let at = 0; at < reply.length; at += 2) {
    // A client may be set to give numbers as strings.
    const index = Number(reply[at]) - 1;
    const text = String(reply[at + 1]);
    const removed = text.startsWith(REMOVED_INSTEAD);
    yield [index, { message: text.slice((removed ? REMOVED_INSTEAD : LEFT).length), removed }];
  }
}
