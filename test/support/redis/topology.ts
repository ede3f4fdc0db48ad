import type { RedisServer } from '../servers';
import { startRedis, startRedisCluster, startRedisSentinel } from '../servers';
import type { RedisAddress } from './address';

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
  if (name === 'cluster') {
    const cluster = await startRedisCluster({ replicas: 1, args });
    return {
      name,
      servers: cluster.nodes,
      address: { kind: 'cluster', nodes: cluster.nodes.map(({ host, port }) => ({ host, port })) },
      masters: () => cluster.masters(),
      settled: () => cluster.settled(),
      dispose: () => cluster.dispose(),
    };
  }
  if (name === 'sentinel') {
    const group = await startRedisSentinel({ args });
    const sentinels = group.sentinels.map(({ host, port }) => ({ host, port }));
    return {
      name,
      servers: group.servers,
      address: { kind: 'sentinel', sentinels, name: group.name },
      masters: async () => [await group.master()],
      settled: () => group.settled(),
      dispose: () => group.dispose(),
    };
  }
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
