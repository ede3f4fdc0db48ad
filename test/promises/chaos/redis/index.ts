import type { TopologyName } from '../../../support/redis/topology';
import type { ChaosRedis } from './chaos-redis';
import { CLUSTER_FAULTS, ClusterRedis } from './cluster';
import { ONE_SERVER_FAULTS, OneServer } from './one-server';
import { SENTINEL_FAULTS, SentinelRedis } from './sentinel';

export type { ChaosRedis } from './chaos-redis';

/** @param folder for what a server is to come back with */
export async function openRedis(name: TopologyName, folder: string): Promise<ChaosRedis> {
  if (name === 'cluster') return ClusterRedis.open();
  return name === 'sentinel' ? SentinelRedis.open() : OneServer.open(name, folder);
}

/** What can be done to it. */
export function redisFaultNames(name: TopologyName): string[] {
  if (name === 'cluster') return Object.keys(CLUSTER_FAULTS);
  return Object.keys(name === 'sentinel' ? SENTINEL_FAULTS : ONE_SERVER_FAULTS);
}
