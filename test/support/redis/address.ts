import { Cluster, Redis } from 'ioredis';
import type { ClusterOptions, RedisOptions } from 'ioredis';
import type { RedisSource } from '../../../lib';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Leads from the address by which servers know one another to the one that a client takes. */
export type NatMap = Record<string, { host: string; port: number }>;

/** How a client finds its Redis. Plain data, so that it can be given to another process. */
export type RedisAddress =
  | { readonly kind: 'server'; readonly port: number }
  | {
      readonly kind: 'sentinel';
      readonly sentinels: Endpoint[];
      readonly name: string;
      readonly natMap?: NatMap;
    }
  | { readonly kind: 'cluster'; readonly nodes: Endpoint[]; readonly natMap?: NatMap };

/**
 * What an app gives as its `redis`: options where they do, a client for a cluster. The caller disconnects the client.
 * These are the options that docs/guides/redis.md recommends.
 */
export function appSource(address: RedisAddress): RedisSource {
  if (address.kind === 'server') return { port: address.port };
  if (address.kind === 'sentinel') return sentinelOptions(address);
  return new Cluster(address.nodes, clusterOptions(address));
}

/** A client of a test, which outlives the outages that tests make and says nothing about them. */
export function connectTo(address: RedisAddress, options: RedisOptions = {}): Redis | Cluster {
  const patient: RedisOptions = { maxRetriesPerRequest: null, retryStrategy: () => 100, ...options };
  const client =
    address.kind === 'cluster'
      ? new Cluster(address.nodes, clusterOptions(address))
      : address.kind === 'sentinel'
        ? new Redis({
            ...sentinelOptions(address),
            ...patient,
            reconnectOnError: isReadOnly,
          })
        : new Redis({ port: address.port, ...patient });
  client.on('error', () => undefined);
  return client;
}

function sentinelOptions({ sentinels, name, natMap }: RedisAddress & { kind: 'sentinel' }): RedisOptions {
  return { sentinels, name, socketTimeout: 2_000, ...(natMap ? { natMap } : {}) };
}

function clusterOptions({ natMap }: RedisAddress & { kind: 'cluster' }): ClusterOptions {
  return { slotsRefreshInterval: 2_000, ...(natMap ? { natMap } : {}) };
}

function isReadOnly(error: Error): boolean {
  return error.message.startsWith('READONLY');
}
