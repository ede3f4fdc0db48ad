import type { RedisClient } from './redis-client';
import { epochKey } from './own-keys';

/** What stands in Redis of the history that versions belong to. */
export interface Epoch {
  readonly number: number;
  /** Nobody had tailed this source into this Redis before. */
  readonly isFirst: boolean;
}

/** KEYS: the epoch; ARGV: identity of the server, epoch that has ended. */
const CLAIM = `
local stored = redis.call('HMGET', KEYS[1], 'number', 'identity')
local ended = tonumber(ARGV[2])
local number = tonumber(stored[1] or '0')
if stored[2] ~= ARGV[1] or number <= ended then
  number = math.max(number, ended) + 1
  redis.call('HSET', KEYS[1], 'number', number, 'identity', ARGV[1])
end
return { number, stored[1] and 0 or 1 }
`;

/**
 * The epoch of the changes that this server's binlog holds now. It grows when the server is another one than before,
 * and when the epoch that is given has ended, because the binlog began anew. All processes of a group get the same.
 */
export async function claimEpoch(
  client: RedisClient,
  name: string,
  identity: string,
  ended: number,
): Promise<Epoch> {
  const [number, isFirst] = (await client.eval(CLAIM, 1, epochKey(name), identity, ended)) as [
    number,
    number,
  ];
  return { number, isFirst: isFirst === 1 };
}
