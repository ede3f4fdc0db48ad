import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { waitFor } from '../wait-for';
import { BaseServer, startOnFreePort } from './base-server';
import type { Binary } from './fetched';
import { LocalRuntime } from './local-runtime';
import { provide } from './provide';
import { startRedis } from './redis';
import type { RedisEngine, RedisServer, ServerHandle } from './server-handle';

const GROUP = 'main';
const SENTINELS = 3;
const QUORUM = 2;
/** Failovers shall be quick, and nobody falsely accused on a busy machine. */
const DOWN_AFTER_MILLIS = 1_000;
const FAILOVER_TIMEOUT_MILLIS = 3_000;
/** A sentinel whose clock jumped, as on a busy machine, does nothing for 30 seconds. */
const CHANGE_TIMEOUT_MILLIS = 90_000;

export interface RedisSentinelOptions {
  /** @defaultValue 2 */
  replicas?: number;
  engine?: RedisEngine;
  /** Further arguments of each server that holds data. */
  args?: string[];
}

/** A master and its replicas, watched by sentinels. */
export class RedisSentinel {
  /** By which the sentinels know the group. */
  readonly name = GROUP;

  constructor(
    readonly servers: readonly RedisServer[],
    readonly sentinels: readonly SentinelProcess[],
  ) {}

  /** Whom the sentinels agree to be the master. */
  async master(): Promise<RedisServer> {
    return waitFor(
      async () => {
        const ports = await Promise.all(this.sentinels.map((sentinel) => sentinel.masterPort()));
        return ports.every((port) => port === ports[0]) && this.servers.find(({ port }) => port === ports[0]);
      },
      { timeoutMillis: CHANGE_TIMEOUT_MILLIS, message: 'the sentinels to agree' },
    );
  }

  /** SIGKILL for the master; resolves with the one that took over. The old one is away until it is started. */
  async failOver(): Promise<RedisServer> {
    const master = await this.master();
    await master.kill();
    return this.successorOf(master);
  }

  /** As an operator asks for it: the sentinels hand over to a replica. */
  async switchOver(): Promise<RedisServer> {
    const master = await this.master();
    // Refused while the one before is not over.
    await waitFor(async () => (await this.sentinels[0]?.ask('FAILOVER', GROUP)) === 'OK', {
      timeoutMillis: CHANGE_TIMEOUT_MILLIS,
      message: 'the sentinels to accept the failover',
    });
    return this.successorOf(master);
  }

  /** Resolves with the one that took over from a master. */
  async successorOf(master: RedisServer): Promise<RedisServer> {
    return waitFor(
      async () => {
        const now = await this.master();
        return now !== master && (await isMaster(now)) && now;
      },
      { timeoutMillis: CHANGE_TIMEOUT_MILLIS, message: 'another server to become the master' },
    );
  }

  /** Resolves when all servers are up, one of them is the master, and the others have its data. */
  async settled(): Promise<void> {
    await waitFor(
      async () => {
        const master = await this.master();
        if (!(await isMaster(master))) return false;
        const others = this.servers.filter((server) => server !== master);
        const infos = await Promise.all(
          others.map((server) => server.command<string>('INFO', 'replication')),
        );
        if (
          !infos.every(
            (info) => info.includes(`master_port:${master.port}`) && info.includes('link_status:up'),
          )
        )
          return false;
        const ready = await Promise.all(this.sentinels.map((sentinel) => sentinel.sees(others.length)));
        return ready.every(Boolean);
      },
      { timeoutMillis: CHANGE_TIMEOUT_MILLIS, message: 'the group to settle' },
    );
  }

  async dispose(): Promise<void> {
    // First those who would bring the others back.
    await Promise.all(this.sentinels.map((sentinel) => sentinel.dispose()));
    await Promise.all(this.servers.map((server) => server.dispose()));
  }
}

/** Starts a master, replicas and three sentinels; resolved when the sentinels know all of them. */
export async function startRedisSentinel(options: RedisSentinelOptions = {}): Promise<RedisSentinel> {
  const { replicas = 2, engine = 'redis', args = [] } = options;
  const provision = await provide(engine);
  if ('image' in provision)
    throw new Error('Sentinels need a local redis-server: they must reach the servers.');
  const servers = await Promise.all(
    Array.from({ length: 1 + replicas }, () =>
      startRedis({ engine, args: ['--repl-diskless-sync-delay', '0', ...args] }),
    ),
  );
  const [master, ...others] = servers as [RedisServer, ...RedisServer[]];
  for (const replica of others) await replica.command('REPLICAOF', master.host, master.port);
  const sentinels = await Promise.all(
    Array.from({ length: SENTINELS }, () => startSentinel(provision.binary, master)),
  );
  const group = new RedisSentinel(servers, sentinels);
  try {
    await group.settled();
  } catch (error) {
    await group.dispose();
    throw error;
  }
  return group;
}

/** A sentinel. It has no data, but rewrites its configuration. */
class SentinelProcess extends BaseServer implements ServerHandle {
  readonly kind = 'redis';

  async masterPort(): Promise<number> {
    const [, port] = await this.ask<[string, string]>('GET-MASTER-ADDR-BY-NAME', GROUP);
    return Number(port);
  }

  /** Whether it knows the other sentinels and this many replicas, and all of them are up. */
  async sees(replicas: number): Promise<boolean> {
    const lists = await Promise.all(
      ['REPLICAS', 'SENTINELS'].map((list) => this.ask<string[][]>(list, GROUP)),
    );
    const [known = [], peers = []] = lists;
    const isUp = (entry: string[]): boolean =>
      !/down|disconnected/.test(entry[entry.indexOf('flags') + 1] ?? '');
    return known.length === replicas && peers.length === SENTINELS - 1 && [...known, ...peers].every(isUp);
  }

  protected async probe(): Promise<string> {
    return this.withClient(async (client) => {
      const info = String(await client.info('server'));
      if (!info.includes(`config_file:${this.dataDir}`))
        throw new Error('Another server has the port: address already in use');
      return /_version:(\S+)/.exec(info)?.[1] ?? 'unknown';
    });
  }

  /** It keeps no connection. */
  protected disconnect(): void {}

  async ask<T>(...args: string[]): Promise<T> {
    return this.withClient(async (client) => (await client.call('SENTINEL', ...args)) as T);
  }

  private async withClient<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis({ port: this.port, retryStrategy: () => null });
    client.on('error', () => undefined);
    try {
      return await question(client);
    } finally {
      client.disconnect();
    }
  }
}

function startSentinel({ command, args }: Binary, master: RedisServer): Promise<SentinelProcess> {
  return startOnFreePort((port) => {
    const fileIn = (folder: string): string => join(folder, 'sentinel.conf');
    const runtime = new LocalRuntime({
      name: 'sentinel',
      port,
      dataDir: (folder) => folder,
      prepare: (folder) => writeFile(fileIn(folder), configuration(folder, port, master)),
      main: (folder) => ({ command, args: [...args, fileIn(folder), '--sentinel'], cwd: folder }),
    });
    return new SentinelProcess(runtime);
  });
}

function configuration(folder: string, port: number, master: RedisServer): string {
  return [
    'bind 127.0.0.1',
    `port ${port}`,
    `dir ${folder}`,
    `sentinel monitor ${GROUP} ${master.host} ${master.port} ${QUORUM}`,
    `sentinel down-after-milliseconds ${GROUP} ${DOWN_AFTER_MILLIS}`,
    `sentinel failover-timeout ${GROUP} ${FAILOVER_TIMEOUT_MILLIS}`,
    `sentinel parallel-syncs ${GROUP} 1`,
    '',
  ].join('\n');
}

async function isMaster(server: RedisServer): Promise<boolean> {
  return (await server.command<string>('INFO', 'replication')).includes('role:master');
}
