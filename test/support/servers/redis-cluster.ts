import { waitFor } from '../wait-for';
import type { ClusterNode } from './cluster-nodes';
import { readClusterNodes } from './cluster-nodes';
import { freePort } from './free-port';
import { provide } from './provide';
import { startRedis } from './redis';
import type { RedisEngine, RedisServer, RedisServerOptions } from './server-handle';

const SLOTS = 16_384;
const FORM_TIMEOUT_MILLIS = 30_000;
/** On a busy machine a failover has to wait for its turn. */
const CHANGE_TIMEOUT_MILLIS = 60_000;
const KEYS_PER_MIGRATION = 100;
const START_ATTEMPTS = 3;

export interface RedisClusterOptions {
  /** @defaultValue 3 */
  masters?: number;
  /** Of each master. @defaultValue 0 */
  replicas?: number;
  engine?: RedisEngine;
  /** Further arguments of each node. */
  args?: string[];
}

/** A Redis Cluster, and what happens to one. */
export class RedisCluster {
  constructor(readonly nodes: readonly RedisServer[]) {}

  /** The nodes that own slots now, in the order of these. */
  async masters(): Promise<RedisServer[]> {
    const nodes = (await this.view()).filter(({ isMaster, slots }) => isMaster && slots.length > 0);
    return nodes.sort((one, other) => firstSlot(one) - firstSlot(other)).map(({ port }) => this.at(port));
  }

  async replicasOf(master: RedisServer): Promise<RedisServer[]> {
    const nodes = await this.view();
    const id = nodes.find(({ port }) => port === master.port)?.id;
    return nodes.filter(({ masterId, isUp }) => masterId === id && isUp).map(({ port }) => this.at(port));
  }

  async ownerOf(slot: number): Promise<RedisServer> {
    const owner = (await this.view()).find(({ isMaster, slots }) => isMaster && owns(slots, slot));
    if (!owner) throw new Error(`Nobody owns the slot ${slot}`);
    return this.at(owner.port);
  }

  /** SIGKILL for a master; resolves with the replica that took over. The old one is away until it is started. */
  async failOver(master: RedisServer): Promise<RedisServer> {
    const replicas = await this.replicasOf(master);
    await master.kill();
    return this.successorOf(master, replicas);
  }

  /** As an operator does it before an upgrade: the master hands over and becomes a replica, nothing is lost. */
  async switchOver(master: RedisServer): Promise<RedisServer> {
    const replicas = await this.replicasOf(master);
    // It refuses while its link to the master is down.
    await waitFor(async () => (await replicas[0]?.command('CLUSTER', 'FAILOVER')) === 'OK', {
      timeoutMillis: CHANGE_TIMEOUT_MILLIS,
      message: 'the replica to accept the failover',
    });
    return this.successorOf(master, replicas);
  }

  /** Resolves with the one of its replicas that took over from a master. */
  async successorOf(master: RedisServer, replicas: readonly RedisServer[]): Promise<RedisServer> {
    return waitFor(
      async () => {
        // The master itself is the last one to know.
        const nodes = await this.view(master);
        const owners = nodes.filter(({ isMaster, isUp, slots }) => isMaster && isUp && slots.length > 0);
        const slots = owners
          .flatMap((owner) => owner.slots)
          .reduce((sum, [from, to]) => sum + to - from + 1, 0);
        if (slots < SLOTS || owners.some(({ port }) => port === master.port)) return undefined;
        return replicas.find(({ port }) => owners.some((owner) => owner.port === port));
      },
      { timeoutMillis: CHANGE_TIMEOUT_MILLIS, message: 'a replica to take over' },
    );
  }

  /**
   * Moves a slot with its keys, as `redis-cli --cluster reshard` does.
   *
   * @param onOpen called while the slot is on its way, before its keys go
   */
  async moveSlot(slot: number, to: RedisServer, onOpen: () => Promise<void> = async () => {}): Promise<void> {
    const from = await this.ownerOf(slot);
    if (from === to) return;
    await this.openSlot(slot, from, to);
    await onOpen();
    await this.migrateKeys(slot, from, to);
    await this.closeSlot(slot, from, to);
  }

  /** From here on `from` answers ASK for keys that it does not have, and TRYAGAIN for several of which it has some. */
  async openSlot(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
    const [fromId, toId] = await Promise.all(
      [from, to].map((node) => node.command<string>('CLUSTER', 'MYID')),
    );
    await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId ?? '');
    await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId ?? '');
  }

  async migrateKeys(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
    for (;;) {
      const keys = await from.command<string[]>('CLUSTER', 'GETKEYSINSLOT', slot, KEYS_PER_MIGRATION);
      if (keys.length === 0) return;
      await from.command('MIGRATE', to.host, to.port, '', 0, 10_000, 'REPLACE', 'KEYS', ...keys);
    }
  }

  /**
   * The receiver first, so that nobody is told to go to a node that does not know. All masters are told, as redis-cli
   * does: a node that hears of two moves in another order would keep the wrong owner for good.
   */
  async closeSlot(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
    const id = await to.command<string>('CLUSTER', 'MYID');
    const others = (await this.masters()).filter((node) => node !== to && node !== from);
    for (const node of [to, from, ...others]) await node.command('CLUSTER', 'SETSLOT', slot, 'NODE', id);
    await this.agreed();
  }

  /**
   * All nodes name the same owners by the same claims: two nodes that claim slots by the same number, because one has
   * not heard of the other, may leave a slot without an owner.
   */
  private async agreed(): Promise<void> {
    const running = this.nodes.filter((node) => !node.isPaused);
    await waitFor(
      async () => {
        const views = await Promise.all(
          running.map(async (node) => {
            const masters = (await readClusterNodes(node)).filter(({ isMaster, isUp }) => isMaster && isUp);
            return JSON.stringify(masters.map(({ id, epoch, slots }) => [id, epoch, slots]).sort());
          }),
        );
        return views.every((view) => view === views[0]);
      },
      { timeoutMillis: CHANGE_TIMEOUT_MILLIS, message: 'all nodes to agree on the owners' },
    );
  }

  /** Resolves when every node is up, all agree on the owners, and each replica has the data of its master. */
  async settled(): Promise<void> {
    await waitFor(
      async () => {
        const views = await Promise.all(this.nodes.map((node) => this.settledView(node)));
        return views.every((view) => view !== undefined && view === views[0]);
      },
      { timeoutMillis: CHANGE_TIMEOUT_MILLIS, message: 'the cluster to settle' },
    );
  }

  async dispose(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.dispose()));
  }

  /** Who owns what, as a node sees it that is ready; undefined while it is not. */
  private async settledView(node: RedisServer): Promise<string | undefined> {
    const info = await node.command<string>('CLUSTER', 'INFO');
    if (!info.includes('cluster_state:ok')) return undefined;
    const nodes = await readClusterNodes(node);
    if (nodes.length !== this.nodes.length || !nodes.every(({ isUp }) => isUp)) return undefined;
    const replication = await node.command<string>('INFO', 'replication');
    if (!/role:master|master_link_status:up/.test(replication)) return undefined;
    return JSON.stringify(nodes.map(({ port, masterId, slots }) => [port, masterId, slots]).sort());
  }

  /** What the first node says that answers. */
  private async view(except?: RedisServer): Promise<ClusterNode[]> {
    let failure: unknown;
    for (const node of this.nodes) {
      if (node === except || node.isPaused) continue;
      try {
        return await readClusterNodes(node);
      } catch (error) {
        failure = error;
      }
    }
    throw new Error('No node of the cluster answers', { cause: failure });
  }

  private at(port: number): RedisServer {
    const node = this.nodes.find((each) => each.port === port);
    if (!node) throw new Error(`No node has the port ${port}`);
    return node;
  }
}

/** Starts masters that share the slots evenly, and their replicas; resolved when all of them are ready. */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { masters = 3, replicas = 0, engine = 'redis', args = [] } = options;
  if ('image' in (await provide(engine))) {
    throw new Error(
      'A Redis Cluster needs a local redis-server: nodes in containers cannot reach one another here.',
    );
  }
  const started = await Promise.all(
    Array.from({ length: masters * (1 + replicas) }, () =>
      startNode((busPort) => ({ engine, args: [...clusterArgs(busPort, replicas), ...args] })),
    ),
  );
  const nodes = started.map(({ node }) => node);
  const busPorts = started.map(({ busPort }) => busPort);
  const cluster = new RedisCluster(nodes);
  try {
    await form(cluster, busPorts, masters);
  } catch (error) {
    await cluster.dispose();
    throw error;
  }
  return cluster;
}

/** With another port for the bus when somebody else took the first one meanwhile. */
async function startNode(
  optionsFor: (busPort: number) => RedisServerOptions,
): Promise<{ readonly node: RedisServer; readonly busPort: number }> {
  for (let attempt = 1; ; attempt++) {
    const busPort = await freePort();
    try {
      return { node: await startRedis(optionsFor(busPort)), busPort };
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error;
    }
  }
}

function clusterArgs(busPort: number, replicas: number): string[] {
  // By default the bus takes port + 10000, which may be anybody's.
  const busPortArgs = ['--cluster-port', String(busPort)];
  // Failovers shall be quick, and nobody falsely accused on a busy machine.
  const timeout = ['--cluster-node-timeout', replicas > 0 ? '1500' : '5000'];
  const replication = ['--repl-diskless-sync-delay', '0', '--cluster-replica-validity-factor', '0'];
  return ['--cluster-enabled', 'yes', ...timeout, ...replication, ...busPortArgs];
}

async function form(cluster: RedisCluster, busPorts: number[], count: number): Promise<void> {
  const { nodes } = cluster;
  const [first] = nodes;
  const masters = nodes.slice(0, count);
  await Promise.all(
    masters.map(async (node, index) => {
      const from = Math.floor((SLOTS * index) / count);
      const to = Math.floor((SLOTS * (index + 1)) / count) - 1;
      await node.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
      await node.command('CLUSTER', 'ADDSLOTSRANGE', from, to);
    }),
  );
  for (const [index, node] of nodes.entries()) {
    if (node !== first) await first?.command('CLUSTER', 'MEET', node.host, node.port, busPorts[index] ?? 0);
  }
  const ids = await Promise.all(masters.map((master) => master.command<string>('CLUSTER', 'MYID')));
  for (const [index, node] of nodes.slice(count).entries()) {
    const id = ids[index % count] ?? '';
    // Refused until it has heard of its master.
    await waitFor(async () => (await node.command('CLUSTER', 'REPLICATE', id)) === 'OK', {
      timeoutMillis: FORM_TIMEOUT_MILLIS,
      message: 'a replica to know its master',
    });
  }
  await cluster.settled();
}

function firstSlot({ slots }: ClusterNode): number {
  return slots[0]?.[0] ?? SLOTS;
}

function owns(slots: ClusterNode['slots'], slot: number): boolean {
  return slots.some(([from, to]) => from <= slot && slot <= to);
}
