import { setTimeout as sleep } from 'node:timers/promises';
import type { TopologyName } from '../../../support/redis/topology';
import { startTopology } from '../../../support/redis/topology';
import type { RedisServer } from '../../../support/servers';
import type { FaultScene } from '../faults';
import type { RedisFault } from './chaos-redis';
import { LinkedRedis } from './chaos-redis';
import { DURABLE } from './durable';
import { RedisData } from './redis-data';

/** One Redis or Valkey, which loses data only together with its checkpoint. */
export class OneServer extends LinkedRedis {
  readonly server = this.topology.servers[0] as RedisServer;
  data!: RedisData;

  static async open(name: TopologyName, folder: string): Promise<OneServer> {
    const topology = await startTopology(name, DURABLE);
    const redis = new OneServer(topology, await LinkedRedis.linksTo(topology));
    redis.data = new RedisData(redis.server, folder);
    return redis;
  }

  override async prepare(): Promise<void> {
    await this.data.snapshot();
  }

  async inject(kind: string, scene: FaultScene): Promise<void> {
    await ONE_SERVER_FAULTS[kind]?.(this, scene);
  }
}

export const ONE_SERVER_FAULTS: Readonly<Record<string, RedisFault<OneServer>>> = {
  'redis-kill': async ({ server }, { random, checkpointed }) => {
    await server.kill();
    await sleep(random.int(0, 500));
    await server.start();
    await checkpointed();
  },
  'redis-crash': async ({ data }, { random, checkpointed }) => {
    await data.crash(random.int(300, 1_000));
    await checkpointed();
  },
  // The checkpoint lies in the same Redis: the app has to notice before it may die.
  'redis-rewind': async ({ data }, { check, checkpointed }) => {
    await check();
    await data.rewind();
    await checkpointed();
  },
  'redis-lost': async ({ data }, { check, checkpointed }) => {
    await check();
    await data.lose();
    await checkpointed();
  },
  'redis-stop': async ({ server }, { random }) => {
    server.pause();
    await sleep(random.int(1_000, 3_000));
    server.resume();
  },
  'redis-oom': async ({ server }) => {
    await server.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    await server.command('CONFIG', 'SET', 'maxmemory', '1');
    await sleep(2_000);
    await server.command('CONFIG', 'SET', 'maxmemory', '0');
  },
};
