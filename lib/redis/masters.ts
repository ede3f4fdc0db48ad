import type { Redis } from 'ioredis';
import type { RedisClient } from './redis-client';
import { isCluster } from './redis-client';

/**
 * The servers that hold the keys. Rejects while not all masters of a cluster are connected, because what concerns all
 * keys would leave out those of the others.
 */
export async function mastersOf(client: RedisClient): Promise<Redis[]> {
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
