import type { Redis } from 'ioredis';
import type { RedisClient } from './redis-client';
import { isCluster } from './redis-client';
import { isReplica } from './server-history';

/**
 * The servers that hold the keys. Rejects while not all masters of a cluster are connected, or one of them has become a
 * replica, because what concerns all keys would leave out those of the others.
 */
export async function mastersOf(client: RedisClient): Promise<Redis[]> {
  if (!isCluster(client)) return [client];
  // Asked first: a cluster that was not used yet connects at its first command.
  const info = String(await client.cluster('INFO'));
  const masters = client.nodes('master');
  const size = Number(/^cluster_size:(\d+)/m.exec(info)?.[1]);
  const replicas = (await Promise.all(masters.map(isReplica))).filter(Boolean).length;
  if (masters.length >= size && replicas === 0) return masters;
  // ioredis learns of another master only once a command for one of its keys went astray.
  client.refreshSlotsCache();
  throw new Error(`Only ${masters.length - replicas} of ${size} masters are connected`);
}
