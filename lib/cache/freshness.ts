import { Inject, Injectable } from '@nestjs/common';
import { coversGtid } from '../mysql/zongji';
import { CACHEFLOW_NAME } from '../support/injection-tokens';
import { RedisConnection } from '../redis/redis-connection';
import { RewindGuard } from '../redis/rewind-guard';
import type { Circuit } from './circuit';
import type { ReadPlan } from './read-options';
import { readWatermark } from '../redis/scripts/watermark';

/** Tells whether the cache is known to be as fresh as a reader wants it. */
@Injectable()
export class Freshness {
  private applied: () => string | undefined = () => undefined;

  constructor(
    @Inject(CACHEFLOW_NAME) private readonly name: string,
    @Inject(RedisConnection) private readonly redis: RedisConnection,
    @Inject(RewindGuard) private readonly guard: RewindGuard,
  ) {}

  /** What the tail of this process has applied, which is newer than what is published. */
  follow(applied: () => string | undefined): void {
    this.applied = applied;
  }

  /** Whether a value may be served that is read from the cache after this. Never rejects. */
  async mayServe(
    { maxStalenessMillis, after, onUnknown }: NonNullable<ReadPlan['freshness']>,
    circuit: Circuit,
  ): Promise<boolean> {
    const whenUnknown = onUnknown === 'serve';
    const { counter, count } = this.guard;
    const answer = await circuit.ask(() => readWatermark(this.redis.client, this.name, counter));
    if (!answer) return whenUnknown;
    const { watermark, nowMillis } = answer.value;
    // What the tail has applied may be lost in a Redis that has gone back, which the tail may not have noticed yet.
    const holdsApplied = counter !== undefined && count >= 0 && answer.value.count >= count;
    if (maxStalenessMillis !== undefined) {
      if (!watermark) return whenUnknown;
      if (nowMillis - watermark.atMillis > maxStalenessMillis) return false;
    }
    if (after === undefined) return true;
    const sets = [holdsApplied ? this.applied() : undefined, watermark?.gtidSet].filter(
      (set) => set !== undefined,
    );
    if (sets.length === 0) return whenUnknown;
    for (const set of sets) if (await covers(set, after)) return true;
    return false;
  }
}

/** False also where the set is of another kind of server than the GTID. */
async function covers(gtidSet: string, gtid: string): Promise<boolean> {
  try {
    return await coversGtid(gtidSet, gtid);
  } catch {
    return false;
  }
}
