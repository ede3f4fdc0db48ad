import { Inject, Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { BinlogService } from './binlog/binlog.service';
import type { CacheflowStatus } from './binlog/tail-status';
import type { CacheflowError } from './errors/cacheflow.error';
import { ErrorReporter } from './errors/error-reporter';
import type { ChangeEvent } from './events/change-event';
import { EventHub } from './events/event-hub';
import { forgetKeys } from './redis/forget-keys';
import { RedisConnection } from './redis/redis-connection';
import type { DeadLetters } from './retry/dead-letters';
import { RetryService } from './retry/retry.service';

const CAUGHT_UP_TIMEOUT_MILLIS = 10_000;

/** What an application injects: the changes, the errors, and a hand on the tail. */
@Injectable()
export class CacheflowService {
  constructor(
    @Inject(BinlogService) private readonly binlog: BinlogService,
    @Inject(EventHub) private readonly hub: EventHub,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
    @Inject(RedisConnection) private readonly redis: RedisConnection,
    @Inject(RetryService) private readonly retry: RetryService,
  ) {}

  /**
   * Each change of a watched table, in commit order, after its cache work is done. A subscriber that throws is
   * reported on `errors$` and harms nobody. Completes at shutdown.
   */
  get events$(): Observable<ChangeEvent> {
    return this.hub.events$;
  }

  /** Everything that went wrong in the tail; also logged. Completes at shutdown. */
  get errors$(): Observable<CacheflowError> {
    return this.errors.errors$;
  }

  /**
   * Commands and handler calls that were given up on: in RabbitMQ's dead-letter queue with `retry.mq`, else in a
   * stream in Redis.
   */
  get deadLetters(): DeadLetters {
    return this.retry.deadLetters;
  }

  /** How the tail is doing, as of now. */
  status(): CacheflowStatus {
    return this.binlog.status();
  }

  /**
   * Resolves when everything that was committed on the source before the call has been applied to the cache.
   * `@OnBinlog` handlers may still run then.
   *
   * @param options.timeoutMillis how long to wait, 10000 by default
   * @throws CaughtUpTimeoutError when it takes longer
   * @throws CacheflowStoppedError when the tail has failed or was stopped
   */
  async caughtUp(options: { timeoutMillis?: number } = {}): Promise<void> {
    await this.binlog.caughtUp(options.timeoutMillis ?? CAUGHT_UP_TIMEOUT_MILLIS);
  }

  /** Removes keys from the cache. Rejects with the client's error when Redis does not take it. */
  async invalidate(...keys: string[]): Promise<void> {
    await forgetKeys(this.redis.client, keys);
  }

  /** Holds the tail between two batches. The source keeps the changes as long as it keeps its binlog. */
  pause(): void {
    this.binlog.pause();
  }

  /** Goes on after `pause()`. */
  resume(): void {
    this.binlog.resume();
  }
}
