import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisSentinel } from '../../../support/servers';
import { cutOffReplicas, reconnectReplicas } from '../../../support/servers';
import { startSentinelTopology } from '../../../support/redis/topology';
import type { FaultScene } from '../faults';
import type { RedisFault } from './chaos-redis';
import { LinkedRedis } from './chaos-redis';
import { DURABLE } from './durable';

/** A master and two replicas, watched by three sentinels. */
export class SentinelRedis extends LinkedRedis {
  group!: RedisSentinel;

  static async open(): Promise<SentinelRedis> {
    const { group, topology } = await startSentinelTopology(DURABLE);
    const redis = new SentinelRedis(topology, await LinkedRedis.linksTo(topology));
    redis.group = group;
    return redis;
  }

  async inject(kind: string, scene: FaultScene): Promise<void> {
    await SENTINEL_FAULTS[kind]?.(this, scene);
  }
}

export const SENTINEL_FAULTS: Readonly<Record<string, RedisFault<SentinelRedis>>> = {
  'master-kill': async ({ group }, { random, checkpointed }) => {
    const master = await group.master();
    await group.failOver();
    await sleep(random.int(0, 2_000));
    // It believes to be the master until the sentinels tell it otherwise.
    await master.start();
    await checkpointed();
    await group.settled();
  },
  'master-restart': async ({ group }, { random, checkpointed }) => {
    const master = await group.master();
    await master.kill();
    await sleep(random.int(0, 300));
    await master.start();
    await checkpointed();
    await group.settled();
  },
  // The master dies with writes that its replicas have never seen.
  'writes-lost': async ({ group }, { random, check, checkpointed }) => {
    await check();
    const master = await group.master();
    const replicas = group.servers.filter((server) => server !== master);
    await cutOffReplicas(replicas);
    await sleep(random.int(200, 800));
    await master.kill();
    await reconnectReplicas(replicas);
    await group.successorOf(master);
    await sleep(random.int(0, 1_000));
    await master.start();
    await checkpointed();
    await group.settled();
  },
  'master-switch': async ({ group }, { checkpointed }) => {
    await group.switchOver();
    await checkpointed();
    await group.settled();
  },
  // It wakes up as yesterday's master.
  'master-freeze': async ({ group }, { random, checkpointed }) => {
    const master = await group.master();
    master.pause();
    await group.successorOf(master);
    await sleep(random.int(0, 1_000));
    master.resume();
    await checkpointed();
    await group.settled();
  },
  'master-stop': async ({ group }, { random }) => {
    const master = await group.master();
    master.pause();
    await sleep(random.int(200, 600));
    master.resume();
  },
  'sentinel-kill': async ({ group }, { random }) => {
    const sentinel = random.pick(group.sentinels);
    await sentinel.kill();
    await sleep(random.int(0, 2_000));
    await sentinel.start();
    await group.settled();
  },
};
