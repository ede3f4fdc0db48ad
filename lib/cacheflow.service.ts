import { Inject, Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { BinlogService } from './engine/binlog.service';
import type { CacheflowStatus } from './engine/cacheflow-status';
import type { Load, LoadMany } from './cache/cache-reader';
import { CacheReader } from './cache/cache-reader';
import type { ReadOptions } from './cache/read-options';
import type { CacheflowError } from './errors/cacheflow.error';
import { ErrorReporter } from './errors/error-reporter';
import type { ChangeEvent } from './change/change-event';
import { EventHub } from './events/event-hub';
import { forgetKeys } from './redis/scripts/forget-keys';
import { RedisConnection } from './redis/redis-connection';
import type { DeadLetters } from './retry/dead-letters';
import { RetryService } from './retry/retry.service';
import { TableKeys } from './keys/table-keys';

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
    @Inject(CacheReader) private readonly reader: CacheReader,
    @Inject(TableKeys) private readonly tableKeys: TableKeys,
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

  /**
   * The value at a key, or what the loader gives, which is put into the cache then: never over a change that came in
   * between. Of all processes one loads at a time; others wait a moment for it. What callers get is always what the
   * serializer makes of the value, so that a miss looks like a hit: with JSON, a `Date` is a string.
   *
   * Redis that is away is no error here: the loader answers.
   *
   * @param load must read the row itself, not in a transaction that was begun before; null where there is none
   * @throws ReadOptionsError for options that make no sense; what the loader throws is passed on, and not cached
   */
  async getOrLoad<T>(key: string, load: Load<T>, options?: ReadOptions): Promise<T> {
    return this.reader.getOrLoad(key, load, options);
  }

  /**
   * The values at keys, in their order, null where there is none; one question to Redis for all of them. The loader is
   * called with the missing keys, in more than one call where another process is loading some of them.
   *
   * @throws as `getOrLoad`
   */
  async getManyOrLoad<T>(
    keys: readonly string[],
    loadMany: LoadMany<T>,
    options?: ReadOptions,
  ): Promise<(T | null)[]> {
    return this.reader.getManyOrLoad(keys, loadMany, options);
  }

  /**
   * The key of a row, as the tail makes it of the table's options.
   *
   * @param table `schema.table`
   * @param row the columns of the key; with several templates the one is taken whose columns are given
   * @throws KeyUnknownError when the table is not watched, columns are missing, or a default key needs a look at the
   * source, which was not reached yet
   */
  keyOf(table: string, row: object): string {
    return this.tableKeys.keyOf(table, row);
  }

  /** Removes keys, and what depends on tags, from the cache. Rejects with the client's error when Redis does not take it. */
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
