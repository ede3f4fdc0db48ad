import type { RedisSource } from '../options/cacheflow.options';
import { isRedisClient } from './is-redis-client';
import type { OptionCheck } from './option-check';
import { isObject } from './option-check';

/** Where the cache is, and whether it can be asked anything. */
export function resolveRedis(
  check: OptionCheck,
  given: unknown,
): { readonly source: RedisSource; readonly isUsable: boolean } {
  const faultsBefore = check.faults.length;
  const usable = typeof given === 'string' ? given !== '' : isObject(given);
  if (!usable) {
    check.fault(
      'redis',
      given === undefined ? 'it is missing' : 'it is none of the forms',
      "Set it to connection options ({ host, port }), a URL, an ioredis client or { namespace: '…' }",
    );
    return { source: {}, isUsable: false };
  }
  if (typeof given === 'string' && !/^(rediss?|unix):|^\//.test(given)) {
    check.fault('redis', 'the string is no URL', "Write e.g. 'redis://127.0.0.1:6379/0'");
  }
  if (isObject(given) && !isRedisClient(given) && 'namespace' in given)
    check.text('redis.namespace', given['namespace']);
  return { source: given as RedisSource, isUsable: check.faults.length === faultsBefore };
}
