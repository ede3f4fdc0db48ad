/** Where a round of writes counts, and what Redis has to know. */
export interface RoundCounter {
  readonly key: string;
  /** The last count that was acknowledged when the round was sent; -1 without one. */
  readonly least: number;
}

/** How long the counter of a process that is gone stays. */
export const COUNTER_SECONDS = 7 * 24 * 60 * 60;

/**
 * KEYS: counter; ARGV: the least that it must be, its lifetime. Returns the new count, or -1 where the counter is lower:
 * Redis has gone back. It says so each time that it is asked, because a client sends a command again whose answer was
 * lost with the connection.
 */
const COUNT = `
if tonumber(redis.call('GET', KEYS[1]) or '-1') < tonumber(ARGV[1]) then return -1 end
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return count
`;

/** In full, because a Redis that was restarted knows no script by its hash. */
export function countCommand({ key, least }: RoundCounter): string[] {
  return ['eval', COUNT, '1', key, String(least), String(COUNTER_SECONDS)];
}
