import type { CacheHistory } from '../binlog/cache-history';
import type { RedisConnection } from '../redis/redis-connection';
import type { RedisHold } from '../redis/redis-hold';
import type { RewindGuard } from '../redis/rewind-guard';
import { claimEpoch } from '../redis/scripts/epoch';
import type { RetryService } from '../retry/retry.service';
import type { StrategyService } from '../strategy/strategy.service';

export interface CacheHistoryContext {
  readonly name: string;
  readonly redis: RedisConnection;
  readonly hold: RedisHold;
  readonly guard: RewindGuard;
  readonly strategy: StrategyService;
  readonly retry: RetryService;
}

/** Asks Redis. */
export class RedisCacheHistory implements CacheHistory {
  constructor(private readonly context: CacheHistoryContext) {}

  async beginEpoch(
    identity: string,
    ended: number,
    signal: AbortSignal,
  ): Promise<{ readonly isFirst: boolean; readonly number: number }> {
    const { name, redis, hold, strategy } = this.context;
    const epoch = await hold.run(signal, () => claimEpoch(redis.client, name, identity, ended));
    strategy.useEpoch(epoch.number);
    return epoch;
  }

  async accept(signal: AbortSignal): Promise<void> {
    const { hold, guard } = this.context;
    await hold.run(signal, () => guard.begin());
  }

  hasRetried(): boolean {
    return this.context.retry.counters.retried > 0;
  }

  async checkRewind(signal: AbortSignal): Promise<void> {
    const { hold, guard } = this.context;
    await hold.run(signal, () => guard.check());
  }
}
