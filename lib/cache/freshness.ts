import { Inject, Injectable } from '@nestjs/common';
import { coversGtid } from '../binlog/zongji';
import { CACHEFLOW_NAME } from '../cacheflow.constants';
import { RedisConnection } from '../redis/redis-connection';
import type { Circuit } from './circuit';
import type { ReadPlan } from './read-options';
import { readWatermark } from './watermark';

/** Tells whether the cache is known to be as fresh as a reader wants it. */
@Injectable()
export class Freshness {
  private applied: () => string | undefined = () => undefined;

  constructor(
    @Inject(CACHEFLOW_NAME) private readonly name: string,
    @Inject(RedisConnection) private readonly redis: RedisConnection,
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
    if (maxStalenessMillis === undefined && after !== undefined && (await covers(this.applied(), after)))
      return true;
    const answer = await circuit.ask(() => readWatermark(this.redis.client, this.name));
    if (!answer) return onUnknown === 'serve';
    const { watermark, nowMillis } = answer.value;
    const isFresh =
      maxStalenessMillis === undefined ||
      (watermark !== undefined && nowMillis - watermark.atMillis <= maxStalenessMillis);
    const isAfter =
      after === undefined ||
      (await covers(this.applied(), after)) ||
      (await covers(watermark?.gtidSet, after));
    return (isFresh && isAfter) || onUnknown === 'serve';
  }
}

/** False also where the set is of another kind of server than the GTID. */
async function covers(gtidSet: string | undefined, gtid: string): Promise<boolean> {
  if (gtidSet === undefined) return false;
  try {
    return await coversGtid(gtidSet, gtid);
  } catch {
    return false;
  }
}
