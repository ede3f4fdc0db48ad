import type { RedisCluster, RedisSentinel, RedisServer } from '../servers';
import { startRedis, startRedisCluster, startRedisSentinel } from '../servers';
import type { Endpoint, RedisAddress } from './address';

/** How people run Redis. */
export const TOPOLOGIES = ['single', 'cluster', 'sentinel', 'valkey'] as const;
export type TopologyName = (typeof TOPOLOGIES)[number];

/** The Redis of a test, however many servers it is. */
export interface Topology {
  readonly name: TopologyName;
  /** All servers that hold data or copies of them. */
  readonly servers: readonly RedisServer[];
  readonly address: RedisAddress;
  /** Those that take writes now. */
  masters(): Promise<readonly RedisServer[]>;
  /** Resolves when every server is up and has the data that it should have. */
  settled(): Promise<void>;
  dispose(): Promise<void>;
}

/** The topology that this run of the tests is about: `npm run test:redis -- --redis cluster`. */
export function wantedTopology(): TopologyName {
  const wanted = process.env['CACHEFLOW_TEST_REDIS'] ?? 'single';
  const name = TOPOLOGIES.find((each) => each === wanted);
  if (!name) throw new Error(`CACHEFLOW_TEST_REDIS=${wanted} is none of ${TOPOLOGIES.join(', ')}`);
  return name;
}

/** Whether there is one server, which may be killed and started on other data. */
export function isOneServer(name: TopologyName): boolean {
  return name === 'single' || name === 'valkey';
}

/** @param args further arguments of each server */
export async function startTopology(name: TopologyName, args: string[] = []): Promise<Topology> {
  if (name === 'cluster') return (await startClusterTopology(args)).topology;
  if (name === 'sentinel') return (await startSentinelTopology(args)).topology;
  const server = await startRedis({ engine: name === 'valkey' ? 'valkey' : 'redis', args });
  return {
    name,
    servers: [server],
    address: { kind: 'server', port: server.port },
    masters: async () => [server],
    settled: async () => undefined,
    dispose: () => server.dispose(),
  };
}

/** Three masters with a replica each. */
export async function startClusterTopology(
  args: string[] = [],
): Promise<{ readonly cluster: RedisCluster; readonly topology: Topology }> {
  const cluster = await startRedisCluster({ replicas: 1, args });
  const topology: Topology = {
    name: 'cluster',
    servers: cluster.nodes,
    address: { kind: 'cluster', nodes: cluster.nodes.map(endpointOf) },
    masters: () => cluster.masters(),
    settled: () => cluster.settled(),
    dispose: () => cluster.dispose(),
  };
  return { cluster, topology };
}

/** A master with two replicas, and three sentinels. */
export async function startSentinelTopology(
  args: string[] = [],
): Promise<{ readonly group: RedisSentinel; readonly topology: Topology }> {
  const group = await startRedisSentinel({ args });
  const topology: Topology = {
    name: 'sentinel',
    servers: group.servers,
    address: { kind: 'sentinel', sentinels: group.sentinels.map(endpointOf), name: group.name },
    masters: async () => [await group.master()],
    settled: () => group.settled(),
    dispose: () => group.dispose(),
  };
  return { group, topology };
}

function endpointOf({ host, port }: Endpoint): Endpoint {
  return { host, port };
}
