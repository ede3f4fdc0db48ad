import type { Cluster, Redis } from 'ioredis';
import type { RedisAddress } from '../../../support/redis/address';
import { connectTo } from '../../../support/redis/address';
import type { Topology } from '../../../support/redis/topology';
import type { RedisServer } from '../../../support/servers';
import { revive } from '../../../support/servers';
import type { FaultScene } from '../faults';
import { TcpProxy } from '../tcp-proxy';

/** The Redis of a run: its servers, the links of the app to them, and what can be done to it. */
export interface ChaosRedis {
  /** Of the servers. */
  readonly version: string;
  /** Where the app finds it: over the links. */
  readonly appAddress: RedisAddress;
  readonly links: readonly TcpProxy[];
  /** A client of the harness, which needs no link and outlives everything. */
  connect(): Redis | Cluster;
  /** The servers that hold keys now. */
  masters(): Promise<readonly RedisServer[]>;
  /** Before each fault. */
  prepare(): Promise<void>;
  /** Does one of its faults; resolves when it is over and healed. */
  inject(kind: string, scene: FaultScene): Promise<void>;
  /** Nothing is paused or stalled any more; resolves when every server is up and agrees. */
  heal(): Promise<void>;
  dispose(): Promise<void>;
}

/** A fault of one kind of Redis. */
export type RedisFault<T> = (redis: T, scene: FaultScene) => Promise<void>;

/** What all kinds share: a link to each server. */
export abstract class LinkedRedis implements ChaosRedis {
  protected constructor(
    readonly topology: Topology,
    readonly links: readonly TcpProxy[],
  ) {}

  abstract inject(kind: string, scene: FaultScene): Promise<void>;

  protected static async linksTo({ servers }: Topology): Promise<TcpProxy[]> {
    return Promise.all(servers.map(({ port }) => TcpProxy.open(port)));
  }

  get version(): string {
    const [server] = this.topology.servers;
    return `${this.topology.name} ${server?.version ?? ''}`;
  }

  get appAddress(): RedisAddress {
    const { address, servers } = this.topology;
    const linkOf = (port: number): number =>
      this.links[servers.findIndex((server) => server.port === port)]?.port ?? port;
    if (address.kind === 'server') return { ...address, port: linkOf(address.port) };
    const natMap = Object.fromEntries(
      servers.map(({ host, port }) => [`${host}:${port}`, { host, port: linkOf(port) }]),
    );
    return { ...address, natMap };
  }

  connect(): Redis | Cluster {
    return connectTo(this.topology.address);
  }

  masters(): Promise<readonly RedisServer[]> {
    return this.topology.masters();
  }

  async prepare(): Promise<void> {}

  async heal(): Promise<void> {
    for (const link of this.links) link.resume();
    await revive(this.topology.servers);
    await this.topology.settled();
  }

  async dispose(): Promise<void> {
    await Promise.all(this.links.map((link) => link.close()));
    await this.topology.dispose();
  }
}
