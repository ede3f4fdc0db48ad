import { Cluster } from 'ioredis';
import type { Redis } from 'ioredis';
import type { Topology } from './topology';
import { connectTo } from './address';

/**
 * A client that takes commands for any keys, wherever they are, so that one test can say what it expects of each
 * topology. Only what tests use.
 */
export function spreadRedis(topology: Topology): Redis {
  const client = connectTo(topology.address);
  if (!(client instanceof Cluster)) return client;
  const each = async (name: string, keys: unknown[]): Promise<unknown[]> =>
    Promise.all(keys.flat().map((key) => client.call(name, String(key))));
  const everywhere = async (name: string, ...args: string[]): Promise<unknown[]> =>
    Promise.all((await topology.masters()).map((server) => server.command(name, ...args)));
  const sum = (numbers: unknown[]): number =>
    numbers.reduce<number>((total, number) => total + Number(number), 0);
  return Object.assign(client, {
    mget: (...keys: unknown[]) => each('GET', keys),
    del: async (...keys: unknown[]) => sum(await each('DEL', keys)),
    unlink: async (...keys: unknown[]) => sum(await each('UNLINK', keys)),
    exists: async (...keys: unknown[]) => sum(await each('EXISTS', keys)),
    keys: async (pattern: string) => (await everywhere('KEYS', pattern)).flat(),
    flushall: async () => everywhere('FLUSHALL'),
    dbsize: async () => sum(await everywhere('DBSIZE')),
    mset: async (...pairs: unknown[]) => {
      const flat = pairs.flatMap(pairsOf).map(String);
      for (let at = 0; at < flat.length; at += 2)
        await client.call('SET', flat[at] ?? '', flat[at + 1] ?? '');
    },
  }) as unknown as Redis;
}

/** From `key, value, …`, lists of them, or an object. */
function pairsOf(given: unknown): unknown[] {
  if (Array.isArray(given)) return given;
  return typeof given === 'object' && given !== null ? Object.entries(given).flat() : [given];
}
