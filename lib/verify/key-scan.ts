import { mastersOf } from '../redis/masters';
import type { RedisClient } from '../redis/redis-client';
import { escapePattern } from '../keys/patterns';

/** Beyond these, one look through all keys is cheaper. */
const MAX_PATTERNS = 8;

/**
 * The keys that match one of the patterns, in groups, on every master; a key may come twice. The library's own keys
 * are left out.
 */
export async function* scanKeys(
  client: RedisClient,
  patterns: readonly string[],
  count: number,
): AsyncGenerator<string[]> {
  const prefix = client.options.keyPrefix ?? '';
  const scanned = patterns.length > MAX_PATTERNS ? ['*'] : patterns;
  for (const node of await mastersOf(client)) {
    for (const pattern of scanned) {
      let cursor = '0';
      do {
        // SCAN knows nothing of the client's key prefix, everything else adds it.
        const [next, found] = await node.scan(
          cursor,
          'MATCH',
          escapePattern(prefix) + pattern,
          'COUNT',
          count,
        );
        cursor = next;
        const keys = found.map((key) => key.slice(prefix.length)).filter((key) => !isOwn(key));
        if (keys.length > 0) yield keys;
      } while (cursor !== '0');
    }
  }
}

/** Records of versions and what a source keeps for itself. */
function isOwn(key: string): boolean {
  return key.startsWith('cf:') || key.startsWith('cacheflow:');
}
