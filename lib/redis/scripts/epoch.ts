import type { RedisClient } from '../redis-client';
import { EPOCHS_KEY } from '../own-keys';
import { callScript, defineScript } from './script';

/** What stands in Redis of the history that versions belong to. */
export interface Epoch {
  readonly number: number;
  /** Nobody had tailed this source into this Redis before. */
  readonly isFirst: boolean;
}

/**
 * KEYS: the epochs; ARGV: name of the source, identity of its server, epoch that has ended. Returns the number, and 1
 * where the source had none before. Claimed again by the same server, it is the same number.
 */
const CLAIM = defineScript(`
local key, server, source = KEYS[1], 'server:' .. ARGV[2], 'source:' .. ARGV[1]
local ended = tonumber(ARGV[3])
local number = tonumber(redis.call('HGET', key, server) or '0')
local before = redis.call('HGET', key, source)
if number == 0 or number <= ended or (before and before ~= ARGV[2]) then
  number = math.max(tonumber(redis.call('HGET', key, 'last') or '0'), ended) + 1
  redis.call('HSET', key, 'last', number, server, number)
end
-- Not written where it stands: a Redis without memory would refuse it, and nobody could remove keys.
if before ~= ARGV[2] then redis.call('HSET', key, source, ARGV[2]) end
return { number, before and 0 or 1 }
`);

/**
 * The epoch of the changes that this server's binlog holds now: one number for one history, whoever tails it, because
 * versions of different histories must never be taken for those of one. It grows when the server of a source is
 * another one than before, and when the epoch that is given has ended, because the binlog began anew.
 */
export async function claimEpoch(
  client: RedisClient,
  name: string,
  identity: string,
  ended: number,
): Promise<Epoch> {
  const reply = (await callScript(client, CLAIM, [EPOCHS_KEY], [name, identity, ended])) as unknown[];
  // A client may be set to give numbers as strings.
  const [number, isFirst] = reply.map(Number);
  return { number: number ?? 0, isFirst: isFirst === 1 };
}
