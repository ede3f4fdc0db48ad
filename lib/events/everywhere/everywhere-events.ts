import { Inject, Injectable } from '@nestjs/common';
import type { RowChange, TableFlush, TableShape, TransactionPiece } from '../../change/stream';
import type { HandlerOutcome } from '../../checkpoint/handler-outcome';
import type { CacheflowConfig } from '../../config/cacheflow.config';
import { ErrorReporter } from '../../errors/error-reporter';
import { eventsKeys } from '../../redis/own-keys';
import { RedisConnection } from '../../redis/redis-connection';
import { RedisHold } from '../../redis/redis-hold';
import { CACHEFLOW_CONFIG, CACHEFLOW_NAME } from '../../support/injection-tokens';
import { EventHub } from '../event-hub';
import type { GiveUp } from '../handler-runner';
import { HandlerRunner } from '../handler-runner';
import type { BinlogHandler } from '../on-binlog.explorer';
import { EventsReader } from './events-reader';
import { EventsWriter } from './events-writer';
import { StreamBound } from './stream-bound';
import type { AppliedPlace } from './stretch';

/** The changes that every process of the group receives: the tail writes them to a stream, and each process reads it. */
@Injectable()
export class EverywhereEvents {
  private runner: HandlerRunner | undefined;
  private reader: EventsReader | undefined;
  private writer: EventsWriter | undefined;

  constructor(
    @Inject(CACHEFLOW_NAME) private readonly name: string,
    @Inject(CACHEFLOW_CONFIG) private readonly config: CacheflowConfig,
    @Inject(RedisConnection) private readonly redis: RedisConnection,
    @Inject(RedisHold) private readonly hold: RedisHold,
    @Inject(EventHub) private readonly hub: EventHub,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
  ) {}

  get handlerFailures(): number {
    return this.runner?.failures ?? 0;
  }

  get pendingHandlers(): number {
    return this.runner?.pending ?? 0;
  }

  /**
   * Takes the handlers that run in every process. Without any, and without `events: { delivery: 'everywhere' }`, there
   * is nothing to do, and no connection.
   *
   * @param signal ends everything
   */
  register(handlers: readonly BinlogHandler[], signal: AbortSignal): void {
    const { name, config, redis, hold, hub, errors } = this;
    if (handlers.length === 0 && !this.toAll) return;
    const whoWaits = 'the changes for this process wait';
    const runner = new HandlerRunner({
      handlers,
      options: config.handlers,
      errors,
      signal,
      giveUp,
      isOurs: () => true,
      whoWaits,
    });
    const keys = eventsKeys(name, redis.client.options.keyPrefix ?? '');
    const bound = new StreamBound(config.events.maxLength, config.events.maxBytes);
    const wants = (item: RowChange | TableFlush): boolean => this.wantsItem(handlers, item);
    this.runner = runner;
    this.writer = new EventsWriter({ keys, redis, hold, errors, bound, signal, wants });
    this.reader = new EventsReader({
      keys,
      errors,
      open: () => redis.openBlocking(),
      deliver: async (change, event) => {
        if (this.toAll) hub.emit(event);
        const called = runner.handlersFor(change.table, change.action);
        if (called.length > 0) await runner.enqueue(called, change, event);
      },
      idle: () => runner.idle(),
    });
    signal.addEventListener('abort', () => void this.stop(), { once: true });
  }

  /** Fixes the place in the stream where this process begins: before the app has filled its memory. */
  async begin(): Promise<void> {
    await this.reader?.begin();
  }

  start(): void {
    this.reader?.start();
  }

  /** Whether any process may want to see the changes of a table. */
  wants(table: TableShape): boolean {
    if (!this.runner) return false;
    return this.toAll || this.runner.handlersFor(table).length > 0;
  }

  /** Writes what a batch has for every process; waits only for room. See `EventsWriter.write`. */
  async write(
    batch: readonly TransactionPiece[],
    applied: AppliedPlace,
  ): Promise<HandlerOutcome | undefined> {
    return this.writer?.write(batch, applied);
  }

  /** Resolves when all that the tail gave is written. */
  async written(): Promise<void> {
    await this.writer?.idle();
  }

  /** Stops reading, and finishes the handler calls in hand. */
  async stop(): Promise<void> {
    await this.reader?.stop();
    await this.runner?.idle();
  }

  private get toAll(): boolean {
    return this.config.events.delivery === 'everywhere';
  }

  private wantsItem(handlers: readonly BinlogHandler[], item: RowChange | TableFlush): boolean {
    if (item.kind === 'row') {
      if (item.projected) return false;
      return this.toAll || (this.runner?.handlersFor(item.table, item.action).length ?? 0) > 0;
    }
    const { schema, table } = item.table ?? {};
    if (this.toAll || schema === undefined || table === undefined) return true;
    return handlers.some(({ patterns }) => patterns.some((pattern) => pattern.matches(schema, table)));
  }
}

/** Another process cannot repeat a call for what this one keeps in its memory: it is reported, and no more. */
const giveUp: GiveUp = () => Promise.resolve();
