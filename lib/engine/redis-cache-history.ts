import type { CacheHistory } from '../binlog/cache-history';
import type { RedisConnection } from '../redis/redis-connection';
import type { RedisHold } from '../redis/redis-hold';
import type { RewindGuard } from '../redis/rewind-guard';
import type { Epoch } from '../redis/scripts/epoch';
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
  /** Whether there are other processes, which do retries as well. */
  hasOthers(): boolean;
}

/** Asks Redis. */
export class RedisCacheHistory implements CacheHistory {
  constructor(private readonly context: CacheHistoryContext) {}

  async beginEpoch(identity: string, ended: number, signal: AbortSignal): Promise<Epoch> {
    const { name, redis, hold, strategy } = this.context;
    const epoch = await hold.ask(signal, () => claimEpoch(redis.client, name, identity, ended));
    strategy.useEpoch(epoch.number);
    return epoch;
  }

  async accept(signal: AbortSignal): Promise<void> {
    await this.context.hold.ask(signal, () => this.context.guard.begin());
  }

  get masters(): readonly string[] | undefined {
    return this.context.guard.masters;
  }

  hasRetried(): boolean {
    const { retry, hasOthers } = this.context;
    return retry.counters.retried > 0 || (retry.viaBroker && hasOthers());
  }

  async checkRewind(signal: AbortSignal): Promise<void> {
    await this.context.hold.ask(signal, () => this.context.guard.check());
  }
}
