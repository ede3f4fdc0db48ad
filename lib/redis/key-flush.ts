import type { Redis } from 'ioredis';
import { isOwnKey } from '../checkpoint/redis-checkpoint.store';
import { escapePattern } from '../strategy/key-template';
import type { RedisClient } from './redis-client';
import { isCluster } from './redis-client';
import { writeKeys } from './redis-writer';

const KEYS_PER_SCAN = 500;

/**
 * Removes every key that matches one of the patterns, by SCAN and UNLINK in chunks, on every master. Keys that are
 * made while it runs may stay. Resolves with the number of keys; rejects when Redis is out of reach or refuses.
 */
export async function flushPatterns(client: RedisClient, patterns: readonly string[]): Promise<number> {
  let removed = 0;
  const prefix = client.options.keyPrefix ?? '';
  for (const node of await mastersOf(client)) {
    for (const pattern of patterns) {
      let cursor = '0';
      do {
        const [next, found] = await node.scan(
          cursor,
          'MATCH',
          escapePattern(prefix) + pattern,
          'COUNT',
          KEYS_PER_SCAN,
        );
        cursor = next;
        // SCAN knows nothing of the client's key prefix, UNLINK adds it.
        const matching = found.map((key) => key.slice(prefix.length));
        // A pattern as wide as that of the template `{id}` must not cost any source its place in the binlog.
        const keys = matching.filter((key) => !isOwnKey(key));
        const refusals = await writeKeys(client, [], keys);
        for (const refusal of refusals.values()) throw refusal;
        removed += keys.length;
      } while (cursor !== '0');
    }
  }
  return removed;
}

/** Rejects while not all masters are connected, because the keys of the others would stay. */
async function mastersOf(client: RedisClient): Promise<Redis[]> {
  if (!isCluster(client)) return [client];
  // Asked first: a cluster that was not used yet connects at its first command.
  const info = String(await client.cluster('INFO'));
  const masters = client.nodes('master');
  const size = Number(/^cluster_size:(\d+)/m.exec(info)?.[1]);
  if (masters.length >= size) return masters;
  // ioredis connects to a master that came back only once a command for one of its keys went astray.
  client.refreshSlotsCache();
  throw new Error(`Only ${masters.length} of ${size} masters are connected`);
}
