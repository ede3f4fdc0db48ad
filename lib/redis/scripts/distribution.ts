import { distributionKey } from '../own-keys';
import type { RedisClient } from '../redis-client';
import { callScript, defineScript } from './script';

/**
 * KEYS: the hash of the distribution; ARGV: name of the partition, term. Returns the highest term that was ever
 * given for it. Run again, it changes nothing.
 */
const RAISE = defineScript(`
local key, field, term = KEYS[1], 'term:' .. ARGV[1], tonumber(ARGV[2])
local highest = tonumber(redis.call('HGET', key, field) or '0')
if term <= highest then return highest end
redis.call('HSET', key, field, ARGV[2])
return term
`);

/**
 * KEYS: the hash of the distribution; ARGV: the number of partitions that the caller expects there, the number that it
 * wants. Returns the number that stands there now. Run again, it changes nothing.
 */
const AGREE = defineScript(`
local current = redis.call('HGET', KEYS[1], 'partitions')
if current and current ~= ARGV[1] then return tonumber(current) end
redis.call('HSET', KEYS[1], 'partitions', ARGV[2])
return tonumber(ARGV[2])
`);

/** The highest term of a partition, this one included. */
export async function raiseTerm(
  client: RedisClient,
  name: string,
  partition: string,
  term: number,
): Promise<number> {
  return Number(await callScript(client, RAISE, [distributionKey(name)], [partition, term]));
}

/** The number of partitions of the group: `wanted` where there is none yet, or where it is `expected`. */
export async function agreeOnPartitions(
  client: RedisClient,
  name: string,
  expected: number,
  wanted: number,
): Promise<number> {
  return Number(await callScript(client, AGREE, [distributionKey(name)], [expected, wanted]));
}
