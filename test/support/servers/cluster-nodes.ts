import type { RedisServer } from './server-handle';

/** A node of a Redis Cluster, as another one sees it. */
export interface ClusterNode {
  readonly id: string;
  readonly port: number;
  readonly isMaster: boolean;
  /** The number of its last claim to slots: of two nodes, the one with the higher number has a slot. */
  readonly epoch: number;
  /** Whom it copies. */
  readonly masterId: string | undefined;
  /** Nobody thinks that it is down. */
  readonly isUp: boolean;
  readonly slots: readonly (readonly [from: number, to: number])[];
}

/** Asks one node for all nodes. */
export async function readClusterNodes(node: RedisServer): Promise<ClusterNode[]> {
  const text = await node.command<string>('CLUSTER', 'NODES');
  return text.trim().split('\n').map(parseNode);
}

/** From `<id> <ip>:<port>@<bus> <flags> <master> <ping> <pong> <epoch> <link> <slot>…`. */
function parseNode(line: string): ClusterNode {
  const [id = '', address = '', flags = '', master = '-', , , epoch, , ...slots] = line.split(' ');
  return {
    id,
    port: Number(/:(\d+)@/.exec(address)?.[1]),
    isMaster: flags.includes('master'),
    epoch: Number(epoch),
    masterId: master === '-' ? undefined : master,
    isUp: !/fail|handshake|noaddr/.test(flags),
    slots: slots
      // A slot that is on its way stands in brackets.
      .filter((range) => !range.startsWith('['))
      .map((range) => {
        const [from = '', to = from] = range.split('-');
        return [Number(from), Number(to)];
      }),
  };
}
