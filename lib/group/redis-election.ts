import { LeadershipLostError } from '../errors/group.errors';
import { RedisUnavailableError } from '../errors/redis.errors';
import type { RedisConnection } from '../redis/redis-connection';
import { groupKeys, holdLease, letLeaseGo } from '../redis/scripts/group';
import { sleep, untilAborted } from '../support/abort';
import type { Election, Lock } from './lock';
import { LockLife } from './lock-life';

/** How often a standby looks whether the lease is free. */
const LOOK_MILLIS = 200;

/** Elects by a lease in Redis, for sources that give no locks. A takeover from a dead leader takes as long as the lease. */
export class RedisElection implements Election {
  constructor(
    private readonly context: {
      readonly name: string;
      readonly own: string;
      readonly redis: RedisConnection;
      readonly takeoverSeconds: number;
    },
  ) {}

  async campaign(_groupId: string, signal: AbortSignal, onStandby: () => void): Promise<Lock> {
    const millis = this.context.takeoverSeconds * 1_000;
    const silent = (): Error =>
      new RedisUnavailableError(`Redis has not confirmed the lease of the group for ${millis} ms`);
    for (;;) {
      const askedAt = performance.now();
      if (await untilAborted(this.hold(true), signal)) {
        // An answer that took its time, as from a Redis that hung, says little of how long it is still ours.
        if (performance.now() - askedAt > millis / 2) continue;
        const life = new LockLife(millis, askedAt, silent);
        life.renew(async () => {
          if (await this.hold(false)) return;
          throw new LeadershipLostError('The lease in Redis is no longer held by this process');
        });
        return new RedisLease(life, () => this.letGo());
      }
      onStandby();
      await sleep(LOOK_MILLIS, signal);
    }
  }

  private async hold(take: boolean): Promise<boolean> {
    const { name, own, redis, takeoverSeconds } = this.context;
    return holdLease(redis.client, groupKeys(redis.client, name), {
      own,
      millis: takeoverSeconds * 1_000,
      take,
    });
  }

  private async letGo(): Promise<void> {
    const { name, own, redis } = this.context;
    // A Redis that is away forgets it by itself.
    if (redis.client.status !== 'ready') return;
    await letLeaseGo(redis.client, groupKeys(redis.client, name), own).catch(() => undefined);
  }
}

class RedisLease implements Lock {
  readonly server = undefined;

  constructor(
    private readonly life: LockLife,
    private readonly letGo: () => Promise<void>,
  ) {}

  get ended(): AbortSignal {
    return this.life.ended;
  }

  get isOver(): boolean {
    return this.life.isOver;
  }

  async release(reason: Error): Promise<void> {
    const isHeld = !this.life.isOver;
    this.life.end(reason);
    if (isHeld) await this.letGo();
  }
}
