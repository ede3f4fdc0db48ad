import calculateSlot from 'cluster-key-slot';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisCluster, RedisServer } from '../../../support/servers';
import { cutOffReplicas, reconnectReplicas } from '../../../support/servers';
import { startClusterTopology } from '../../../support/redis/topology';
import type { FaultScene } from '../faults';
import type { Random } from '../random';
import type { RedisFault } from './chaos-redis';
import { LinkedRedis } from './chaos-redis';
import { DURABLE } from './durable';

const SLOTS = 16_384;
/** Among the slots that move there is always this one. */
const CHECKPOINT_SLOT = calculateSlot('cacheflow:chaos:checkpoint');

/** Three masters with a replica each. */
export class ClusterRedis extends LinkedRedis {
  cluster!: RedisCluster;

  static async open(): Promise<ClusterRedis> {
    const { cluster, topology } = await startClusterTopology(DURABLE);
    const redis = new ClusterRedis(topology, await LinkedRedis.linksTo(topology));
    redis.cluster = cluster;
    return redis;
  }

  async inject(kind: string, scene: FaultScene): Promise<void> {
    await CLUSTER_FAULTS[kind]?.(this, scene);
  }

  /** One that owns slots, most often that of the checkpoint. */
  async anyMaster(random: Random): Promise<RedisServer> {
    return random.chance(0.5)
      ? this.cluster.ownerOf(CHECKPOINT_SLOT)
      : random.pick(await this.cluster.masters());
  }

  /** A master dies with writes that its replica has never seen. */
  async loseWrites(random: Random): Promise<void> {
    const master = await this.anyMaster(random);
    const replicas = await this.cluster.replicasOf(master);
    await cutOffReplicas(replicas);
    await sleep(random.int(200, 800));
    await master.kill();
    await reconnectReplicas(replicas);
    await this.cluster.successorOf(master, replicas);
    await sleep(random.int(0, 1_000));
    await master.start();
    await this.cluster.settled();
  }
}

export const CLUSTER_FAULTS: Readonly<Record<string, RedisFault<ClusterRedis>>> = {
  'master-kill': async (redis, { random, check, checkpointed }) => {
    await check();
    const master = await redis.anyMaster(random);
    await redis.cluster.failOver(master);
    await sleep(random.int(0, 2_000));
    await master.start();
    await redis.cluster.settled();
    await checkpointed();
  },
  'master-restart': async (redis, { random, check, checkpointed }) => {
    await check();
    const master = await redis.anyMaster(random);
    await master.kill();
    await sleep(random.int(0, 300));
    await master.start();
    await redis.cluster.settled();
    await checkpointed();
  },
  'writes-lost': async (redis, { random, check, checkpointed }) => {
    await check();
    await redis.loseWrites(random);
    await checkpointed();
  },
  // Nobody watches what Redis loses meanwhile.
  'writes-lost-unseen': async (redis, { apps, random, check }) => {
    await check();
    // The load that follows is what is lost.
    await sleep(300);
    await apps.kill();
    await redis.loseWrites(random);
    await apps.start();
  },
  'master-switch': async (redis, { random, check, checkpointed }) => {
    await check();
    await redis.cluster.switchOver(await redis.anyMaster(random));
    await redis.cluster.settled();
    await checkpointed();
  },
  // It wakes up as yesterday's master.
  'master-freeze': async (redis, { random, check, checkpointed }) => {
    await check();
    const master = await redis.anyMaster(random);
    const replicas = await redis.cluster.replicasOf(master);
    master.pause();
    await redis.cluster.successorOf(master, replicas);
    await sleep(random.int(0, 1_000));
    master.resume();
    await redis.cluster.settled();
    await checkpointed();
  },
  'master-stop': async (redis, { random }) => {
    const master = await redis.anyMaster(random);
    master.pause();
    await sleep(random.int(200, 800));
    master.resume();
    await redis.cluster.settled();
  },
  // Some slots have no owner: CLUSTERDOWN.
  'shard-kill': async (redis, { random, check, checkpointed }) => {
    await check();
    const master = await redis.anyMaster(random);
    const shard = [master, ...(await redis.cluster.replicasOf(master))];
    await Promise.all(shard.map((server) => server.kill()));
    await sleep(random.int(1_000, 4_000));
    await Promise.all(shard.map((server) => server.start()));
    await redis.cluster.settled();
    await checkpointed();
  },
  'slots-move': async ({ cluster }, { random }) => {
    const masters = await cluster.masters();
    const first = random.int(0, SLOTS - 1);
    const slots = [CHECKPOINT_SLOT, ...Array.from({ length: 400 }, (_, at) => (first + 7 * at) % SLOTS)];
    for (const slot of slots) {
      const linger = random.chance(0.02) ? random.int(50, 500) : 0;
      await cluster.moveSlot(slot, random.pick(masters), () => sleep(linger));
    }
    await cluster.settled();
  },
};
