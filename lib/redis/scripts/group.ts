import { membersKey, groupKey } from '../own-keys';
import type { RedisClient } from '../redis-client';
import { callScript, defineScript } from './script';

/** A member that says nothing for this long is taken for dead. */
export const MEMBER_MILLIS = 5_000;
const MEMBERS_SECONDS = 24 * 60 * 60;

/** Lua: the time by Redis' clock, the one clock of all processes; and whole numbers as text. */
const COMMON_LUA = `
local function whole(number) return string.format('%.0f', number) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** What a beat returns of the group. */
const FIELDS = [
  'id',
  'term',
  'leader',
  'server',
  'since',
  'digest',
  'state',
  'stateAt',
  'paused',
  'definitions',
] as const;

/**
 * KEYS: group, members; ARGV: own id, id of the group, what others may know of this process, its term or 0, what the
 * leader publishes, server that it tails, 1 where the group was held when it was last seen. Returns the time, what
 * stands of the group, and all members. A Redis that has lost the group gets it back from whoever knows the highest term.
 */
const BEAT = defineScript(`${COMMON_LUA}
local group, members, own, term = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[4])
-- A write that needs no memory comes first: a Redis without memory then takes the others, and the group goes on.
redis.call('HDEL', members, '')
redis.call('HSETNX', group, 'id', ARGV[2])
-- Redis has lost the group, and nobody has released what this process knows to be held.
if ARGV[7] == '1' and (redis.call('HGET', group, 'id') ~= ARGV[2] or not redis.call('HGET', group, 'term')) then
  redis.call('HSET', group, 'paused', '1')
end
local stored = tonumber(redis.call('HGET', group, 'term') or '0')
if term > 0 and term >= stored then
  if term > stored then redis.call('HSET', group, 'term', ARGV[4], 'since', whole(now)) end
  redis.call('HSET', group, 'leader', own, 'server', ARGV[6], 'state', ARGV[5], 'stateAt', whole(now))
end
redis.call('HSET', members, own, whole(now) .. '|' .. ARGV[3])
redis.call('EXPIRE', members, ${MEMBERS_SECONDS})
local all, alive = redis.call('HGETALL', members), {}
for i = 1, #all, 2 do
  if now - tonumber(string.match(all[i + 1], '^%d+')) > ${MEMBER_MILLIS} then
    redis.call('HDEL', members, all[i])
  else
    alive[#alive + 1], alive[#alive + 2] = all[i], all[i + 1]
  end
end
return { whole(now), redis.call('HMGET', group, ${FIELDS.map((field) => `'${field}'`).join(', ')}), alive }
`);

/**
 * KEYS: group, members; ARGV: own id, server, id of the group, digest and list of its options, a term to pass. Begins a
 * term: a number above all before it, also after Redis has gone back, because it is no less than the time. Refused
 * while somebody else leads on another server, or by another election, which knows nothing of this one. One that only
 * stands by may never reach the new source.
 */
const CLAIM = defineScript(`${COMMON_LUA}
local function election(print)
  local isRead, options = pcall(cjson.decode, print or '')
  return isRead and options.election
end
local group, members, own, server = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local leader, before = redis.call('HGET', group, 'leader'), redis.call('HGET', group, 'server')
local isElsewhere = before and before ~= server
local theirs, ours = election(redis.call('HGET', group, 'print')), election(ARGV[5])
if leader and leader ~= own and (isElsewhere or (theirs and ours and theirs ~= ours)) then
  local seen = redis.call('HGET', members, leader)
  local at = seen and tonumber(string.match(seen, '^%d+'))
  local leads = seen and string.find(seen, '"role":"leader"', 1, true)
  if leads and now - at <= ${MEMBER_MILLIS} then return { 'apart', leader, isElsewhere and before or '' } end
end
local last = tonumber(redis.call('HGET', group, 'term') or '0')
-- First, for the same reason as above.
redis.call('HDEL', group, 'state', 'stateAt')
local term = math.max(last + 1, tonumber(ARGV[6]) + 1, now)
redis.call('HSETNX', group, 'id', ARGV[3])
redis.call('HSET', group, 'term', whole(term), 'leader', own, 'server', server, 'since', whole(now),
  'digest', ARGV[4], 'print', ARGV[5])
return { 'claimed', whole(term), redis.call('HGET', group, 'paused') or '0', redis.call('HGET', group, 'covered') or '', whole(last) }
`);

/** KEYS: group; ARGV: own id, term. The term stays: it only grows. */
const RESIGN = defineScript(`
if redis.call('HGET', KEYS[1], 'leader') == ARGV[1] and redis.call('HGET', KEYS[1], 'term') == ARGV[2] then
  redis.call('HDEL', KEYS[1], 'leader', 'state', 'stateAt')
end
return 1
`);

/** KEYS: lease; ARGV: own id, milliseconds, 1 to take it where it is free. Returns whether it is ours from now on. */
const HOLD = defineScript(`
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] or (not holder and ARGV[3] == '1') then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
return 0
`);

/** KEYS: lease; ARGV: own id. */
const LET_GO = defineScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
`);

/** Where the records of a group are. */
export interface GroupKeys {
  readonly group: string;
  readonly members: string;
  readonly lease: string;
}

export function groupKeys(client: RedisClient, name: string): GroupKeys {
  const prefix = client.options.keyPrefix ?? '';
  const group = groupKey(name, prefix);
  return { group, members: membersKey(name, prefix), lease: `${group}:lease` };
}

/** What a process tells of itself, and of the group where it leads. */
export interface Beat {
  readonly own: string;
  readonly groupId: string;
  readonly about: string;
  /** 0 for a process that does not lead. */
  readonly term: number;
  readonly state: string;
  readonly server: string;
  readonly paused: boolean;
}

/** What Redis says of a group. */
export interface GroupRecord {
  /** By Redis' clock, in milliseconds since 1970. */
  readonly nowMillis: number;
  /** Those that are set. */
  readonly fields: Readonly<Partial<Record<(typeof FIELDS)[number], string>>>;
  /** What each living member tells of itself, by its id. */
  readonly members: ReadonlyMap<string, { readonly atMillis: number; readonly about: string }>;
}

export async function beatGroup(client: RedisClient, keys: GroupKeys, beat: Beat): Promise<GroupRecord> {
  const { own, groupId, about, term, state, server, paused } = beat;
  const args = [own, groupId, about, String(term), state, server, paused ? '1' : '0'];
  const reply = (await callScript(client, BEAT, [keys.group, keys.members], args)) as [
    unknown,
    unknown[],
    unknown[],
  ];
  const members = [...pairs(reply[2])].map(([id, text]) => {
    const at = text.indexOf('|');
    return [id, { atMillis: Number(text.slice(0, at)), about: text.slice(at + 1) }] as const;
  });
  const fields: Partial<Record<(typeof FIELDS)[number], string>> = {};
  for (const [index, field] of FIELDS.entries()) {
    const value = reply[1][index];
    if (value !== null && value !== undefined) fields[field] = String(value);
  }
  return { nowMillis: Number(reply[0]), fields, members: new Map(members) };
}

function* pairs(flat: readonly unknown[]): Generator<[string, string]> {
  for (let i = 0; i < flat.length; i += 2) yield [String(flat[i]), String(flat[i + 1])];
}

/** Holds the group, or lets it go on: whoever leads it. */
export async function holdGroup(client: RedisClient, keys: GroupKeys, paused: boolean): Promise<void> {
  if (paused) await client.hset(keys.group, 'paused', '1');
  else await client.hdel(keys.group, 'paused');
}

/** The options of the leader, as it gave them. */
export async function leaderPrint(client: RedisClient, keys: GroupKeys): Promise<string | null> {
  return client.hget(keys.group, 'print');
}

/**
 * KEYS: group. Counts one more redefinition. No less than the time, so that no number comes again when Redis has lost
 * the count: whoever was away then would take it for one that it has heard of.
 */
const REDEFINE = defineScript(`${COMMON_LUA}
local last = tonumber(redis.call('HGET', KEYS[1], 'definitions') or '0')
local number = whole(math.max(last + 1, now))
redis.call('HSET', KEYS[1], 'definitions', number)
return number
`);

/** Tells the members that tables look another way; returns the number that tells whether they have heard. */
export async function redefine(client: RedisClient, keys: GroupKeys): Promise<number> {
  return Number(await callScript(client, REDEFINE, [keys.group], []));
}

/** Those that have not left, dead ones among them. */
export async function memberIds(client: RedisClient, keys: GroupKeys): Promise<string[]> {
  return client.hkeys(keys.members);
}

export async function leaveGroup(client: RedisClient, keys: GroupKeys, own: string): Promise<void> {
  await client.hdel(keys.members, own);
}

/** KEYS: group; ARGV: term, list of options. Refused once a later term has begun; not where Redis has lost the term. */
const COVER = defineScript(`
if tonumber(redis.call('HGET', KEYS[1], 'term') or '0') > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'covered', ARGV[2])
return 1
`);

/** Says by which options the cache is right from now on. */
export async function coverTables(
  client: RedisClient,
  keys: GroupKeys,
  term: number,
  print: string,
): Promise<void> {
  await callScript(client, COVER, [keys.group], [String(term), print]);
}

export type Claim =
  | {
      readonly kind: 'claimed';
      /** The fencing token: higher than that of all leaders before. */
      readonly term: number;
      readonly paused: boolean;
      /** The term before. */
      readonly last: number;
      /** The options by which the cache was kept right so far; '' where nobody has said. */
      readonly covered: string;
    }
  /** Somebody leads the group on another server, or, where that is undefined, by another election. */
  | { readonly kind: 'apart'; readonly leader: string; readonly server: string | undefined };

export async function claimTerm(
  client: RedisClient,
  keys: GroupKeys,
  by: {
    readonly own: string;
    readonly server: string;
    readonly groupId: string;
    readonly digest: string;
    readonly print: string;
    readonly above: number;
  },
): Promise<Claim> {
  const args = [by.own, by.server, by.groupId, by.digest, by.print, by.above];
  const reply = (await callScript(client, CLAIM, [keys.group, keys.members], args)) as unknown[];
  const [kind, first, second, third, fourth] = reply.map(String) as [string, string, string, string, string];
  if (kind === 'apart') return { kind, leader: first, server: second === '' ? undefined : second };
  return {
    kind: 'claimed',
    term: Number(first),
    paused: second === '1',
    covered: third,
    last: Number(fourth),
  };
}

export async function resignTerm(
  client: RedisClient,
  keys: GroupKeys,
  own: string,
  term: number,
): Promise<void> {
  await callScript(client, RESIGN, [keys.group], [own, String(term)]);
}

/** Takes or renews the lease by which a group without a lock on its source elects. */
export async function holdLease(
  client: RedisClient,
  keys: GroupKeys,
  lease: { readonly own: string; readonly millis: number; readonly take: boolean },
): Promise<boolean> {
  const args = [lease.own, lease.millis, lease.take ? '1' : '0'];
  return Number(await callScript(client, HOLD, [keys.lease], args)) === 1;
}

export async function letLeaseGo(client: RedisClient, keys: GroupKeys, own: string): Promise<void> {
  await callScript(client, LET_GO, [keys.lease], [own]);
}
