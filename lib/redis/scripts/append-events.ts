import type { RedisClient } from '../redis-client';
import type { EventsKeys } from '../own-keys';
import { callScript, defineScript } from './script';

/**
 * KEYS: stream, group, head of the stream. ARGV: term of the leader, or 0; name of the call; about how many entries to
 * keep; then for each entry its stretch of the binlog, and its changes. Returns 'added',
 * 'repeated' where the call was made before, or 'deposed' where the group has a newer leader.
 *
 * Each entry names the one before it. The head says so of the last one, also when that is gone from the stream. The id
 * of an entry is no name: an emptied Redis may give it again. The client sends a call again whose answer was lost with
 * the connection: its name tells.
 */
const APPEND = defineScript(`
local stream, group, head = KEYS[1], KEYS[2], KEYS[3]
local term = tonumber(ARGV[1])
if term > 0 and tonumber(redis.call('HGET', group, 'term') or '0') > term then return 'deposed' end
local last = redis.call('HMGET', head, 'call', 'name')
if last[1] == ARGV[2] then return 'repeated' end
local id, name, after = '', last[2] or '', ''
for at = 4, #ARGV, 2 do
  after, name = name, ARGV[2] .. ':' .. at
  id = redis.call('XADD', stream, 'MAXLEN', '~', ARGV[3], '*',
    'name', name, 'after', after, 'stretch', ARGV[at], 'changes', ARGV[at + 1])
end
redis.call('HSET', head, 'call', ARGV[2], 'name', name, 'id', id, 'stretch', ARGV[#ARGV - 1])
return 'added'
`);

/** An entry to append. */
export interface NewEventsEntry {
  /** Where in the binlog it belongs, as text. */
  readonly stretch: string;
  readonly changes: string;
}

/** One call, to append entries in order. */
export interface AppendCall {
  /** The leader's term; 0 without an election. */
  readonly term: number;
  /** Tells the call from every other one. */
  readonly id: string;
  readonly maxLength: number;
  readonly entries: readonly NewEventsEntry[];
}

/** Appends entries, once however often Redis gets the call; 'deposed' where a newer leader has taken over. */
export async function appendEvents(
  client: RedisClient,
  { events, group, eventsHead }: EventsKeys,
  { term, id, maxLength, entries }: AppendCall,
): Promise<'added' | 'repeated' | 'deposed'> {
  const parts = entries.flatMap(({ stretch, changes }) => [stretch, changes]);
  const reply = await callScript(
    client,
    APPEND,
    [events, group, eventsHead],
    [term, id, maxLength, ...parts],
  );
  return reply === 'deposed' || reply === 'repeated' ? reply : 'added';
}
