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

/** What an app injects: reads through the cache, the changes, the errors, and control of the tail. */
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
   * Each change of a watched table, in commit order, after the cache work for it is done: in the process that tails, or
   * in every process with `events: { delivery: 'everywhere' }`. If a subscriber throws, the
   * library reports the error on `errors$`, and nobody else is affected. Completes at shutdown.
   */
  get events$(): Observable<ChangeEvent> {
    return this.hub.events$;
  }

  /** Everything that goes wrong in the tail. The library also logs these errors. Completes at shutdown. */
  get errors$(): Observable<CacheflowError> {
    return this.errors.errors$;
  }

  /**
   * The commands and handler calls that the library gave up on. With `retry.mq`, they are in RabbitMQ's dead-letter
   * queue. Otherwise they are in a stream in Redis.
   *
   * @throws CacheflowStoppedError with `retry.mq`, before the module has started
   */
  get deadLetters(): DeadLetters {
    return this.retry.deadLetters;
  }

  /** Returns a snapshot of the state of the tail. */
  status(): CacheflowStatus {
    return this.binlog.status();
  }

  /**
   * Resolves once everything that was committed on the source before the call has been applied to the cache.
   * `@OnBinlog` handlers may still be running then. On a standby, it asks the process that leads.
   *
   * @param options.timeoutMillis how long to wait, in milliseconds; 10000 by default
   * @throws CaughtUpTimeoutError if it takes longer
   * @throws CacheflowStoppedError if the tail has failed or was stopped, or before the module has started
   */
  async caughtUp(options: { timeoutMillis?: number } = {}): Promise<void> {
    await this.binlog.caughtUp(options.timeoutMillis ?? CAUGHT_UP_TIMEOUT_MILLIS);
  }

  /**
   * Returns the cached value at a key. On a miss, it returns what the loader returns and caches that value. A loaded
   * value never overwrites a change that happened in the meantime. Only one process at a time loads a key. The others
   * wait briefly for its value. Callers always get what the serializer makes of the value, and so a miss looks like a
   * hit: with JSON, a `Date` is a string.
   *
   * If Redis is away, the loader answers, and the call does not fail.
   *
   * @param load must read the row itself, and not in a transaction that began before the call; null if there is no row
   * @throws ReadOptionsError if the options or the key are invalid; an error of the loader is passed on, and not cached
   */
  async getOrLoad<T>(key: string, load: Load<T>, options?: ReadOptions): Promise<T> {
    return this.reader.getOrLoad(key, load, options);
  }

  /**
   * Returns the values at several keys, in the order of the keys, with null for each key that has no value. The library
   * asks Redis once for all of them. It calls the loader with the missing keys, more than once if another process is
   * loading some of them.
   *
   * @throws as `getOrLoad`, also ReadOptionsError if the loader does not return one value for each key
   */
  async getManyOrLoad<T>(
    keys: readonly string[],
    loadMany: LoadMany<T>,
    options?: ReadOptions,
  ): Promise<(T | null)[]> {
    return this.reader.getManyOrLoad(keys, loadMany, options);
  }

  /**
   * Returns the key of a row, exactly as the tail makes it from the table's options.
   *
   * @param table `schema.table`
   * @param row the columns of the key; of several templates, the library uses the one whose columns are given
   * @throws KeyUnknownError if the table is not watched, if columns are missing or NULL, or if a default key needs the
   * source, which the library has not reached yet
   */
  keyOf(table: string, row: object): string {
    return this.tableKeys.keyOf(table, row);
  }

  /**
   * Removes keys from the cache, and everything that depends on the given tags. Rejects with the client's error if
   * Redis does not accept the removal.
   */
  async invalidate(...keys: string[]): Promise<void> {
    await forgetKeys(this.redis.client, keys);
  }

  /**
   * Holds the tail of the group between two batches, on whichever process it runs, until `resume()`. The source keeps the
   * changes for as long as it keeps its binlog. In the group it is known to each later leader, and survives restarts.
   *
   * Resolves once it is stored in Redis; rejects with the client's error if Redis does not accept it.
   *
   * @throws CacheflowStoppedError before the module has started
   */
  async pause(): Promise<void> {
    await this.binlog.pause();
  }

  /**
   * Lets the tail of the group continue after `pause()`. Resolves and rejects as `pause()` does.
   *
   * @throws CacheflowStoppedError before the module has started
   */
  async resume(): Promise<void> {
    await this.binlog.resume();
  }
}
