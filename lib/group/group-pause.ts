import type { RedisConnection } from '../redis/redis-connection';
import { groupKeys, holdGroup } from '../redis/scripts/group';

export interface GroupPauseContext {
  readonly name: string;
  readonly redis: RedisConnection;
  onChange(paused: boolean): void;
}

/** Whether the group is paused, as this process knows it. Redis keeps it for each leader to come. */
export class GroupPause {
  private paused = false;
  /** Calls of `set` that Redis has not taken yet, and when it took the last one. */
  private telling = 0;
  private toldAt = 0;

  constructor(private readonly context: GroupPauseContext) {}

  get isOn(): boolean {
    return this.paused;
  }

  async set(paused: boolean): Promise<void> {
    const { name, redis } = this.context;
    this.use(paused);
    this.telling++;
    try {
      await holdGroup(redis.client, groupKeys(redis.client, name), paused);
      this.toldAt = performance.now();
    } finally {
      this.telling--;
    }
  }

  /** What was asked of Redis before it was told otherwise says nothing any more. */
  heed(paused: boolean, askedAt: number): void {
    if (this.telling === 0 && askedAt >= this.toldAt) this.use(paused);
  }

  private use(paused: boolean): void {
    if (paused === this.paused) return;
    this.paused = paused;
    this.context.onChange(paused);
  }
}
