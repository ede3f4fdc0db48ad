import { waitFor } from '../wait-for';
import { freePort } from './free-port';
import { provide } from './provide';
import { startRedis } from './redis';
import type { RedisCluster, RedisServer } from './server-handle';

const SLOTS = 16_384;
const FORM_TIMEOUT_MILLIS = 30_000;

/** Starts masters without replicas that share the slots evenly; resolved when each says `cluster_state:ok`. */
export async function startRedisCluster({ masters = 3 }: { masters?: number } = {}): Promise<RedisCluster> {
  if ('image' in (await provide('redis'))) {
    throw new Error(
      'A Redis Cluster needs a local redis-server: nodes in containers cannot reach one another here.',
    );
  }
  const busPorts = await Promise.all(Array.from({ length: masters }, () => freePort()));
  const nodes = await Promise.all(busPorts.map((busPort) => startRedis({ args: clusterArgs(busPort) })));
  const dispose = async () => {
    await Promise.all(nodes.map((node) => node.dispose()));
  };
  try {
    await form(nodes, busPorts);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { nodes, dispose };
}

function clusterArgs(busPort: number): string[] {
  // By default the bus takes port + 10000, which may be anybody's.
  const busPortArgs = ['--cluster-port', String(busPort)];
  return ['--cluster-enabled', 'yes', '--cluster-node-timeout', '5000', ...busPortArgs];
}

async function form(nodes: RedisServer[], busPorts: number[]): Promise<void> {
  const [first] = nodes;
  await Promise.all(
    nodes.map(async (node, index) => {
      const from = Math.floor((SLOTS * index) / nodes.length);
      const to = Math.floor((SLOTS * (index + 1)) / nodes.length) - 1;
      await node.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
      await node.command('CLUSTER', 'ADDSLOTSRANGE', from, to);
    }),
  );
  for (const [index, node] of nodes.entries()) {
    if (node !== first) await first?.command('CLUSTER', 'MEET', node.host, node.port, busPorts[index] ?? 0);
  }
  await waitFor(
    async () => {
      const infos = await Promise.all(nodes.map((node) => node.command<string>('CLUSTER', 'INFO')));
      return infos.every(
        (info) => info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${nodes.length}`),
      );
    },
    { timeoutMillis: FORM_TIMEOUT_MILLIS, message: 'cluster_state:ok on every node' },
  );
}
