import { Inject, Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import type { CacheflowConfig } from '../config/cacheflow.config';
import { CACHEFLOW_CONFIG } from '../support/injection-tokens';
import { errorKind } from '../errors/change.errors';
import { ErrorReporter } from '../errors/error-reporter';
import { SubscriberFailedError } from '../errors/redis.errors';
import type { RowChange, StreamItem, TableShape } from '../change/stream';
import { TimeSlice } from '../support/time-slice';
import type { ChangeEvent } from '../change/change-event';
import { GuardedSubject } from '../support/guarded-subject';
import type { HandlerOutcome } from '../checkpoint/handler-outcome';
import type { GiveUp, HandlerWork, RetriedCall } from './handler-runner';
import { HandlerRunner } from './handler-runner';
import type { BinlogHandler } from './on-binlog.explorer';
import { toChangeEvent } from '../change/to-change-event';

/** Has handlers called elsewhere. */
export interface ChangeDistributor {
  /** The fencing token of this process while it leads. */
  readonly term: number;
  /**
   * Waits for room only. The outcome is true once the change is safe; false where a shutdown cut it short.
   *
   * @param term the one in which the change was read
   * @param handlers the names of those that want the change
   */
  publish(
    change: RowChange,
    event: ChangeEvent,
    term: number,
    handlers: readonly string[],
  ): Promise<HandlerOutcome>;
}

/** Hands changes on to the application: to the subscribers of `events$`, then to `@OnBinlog` handlers. */
@Injectable()
export class EventHub {
  private readonly subject = new GuardedSubject<ChangeEvent>((error) =>
    this.errors.report(
      new SubscriberFailedError(`A subscriber of events$ threw: ${errorKind(error)}; the others go on`, {
        cause: error,
      }),
    ),
  );
  private runner: HandlerRunner | undefined;
  private distributor: ChangeDistributor | undefined;
  /** Changes that were handed on. */
  published = 0;

  constructor(
    @Inject(CACHEFLOW_CONFIG) private readonly config: CacheflowConfig,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
  ) {}

  get events$(): Observable<ChangeEvent> {
    return this.subject.observable;
  }

  get handlerFailures(): number {
    return this.runner?.failures ?? 0;
  }

  get pendingHandlers(): number {
    return this.runner?.pending ?? 0;
  }

  /**
   * Takes the app's handlers; their retries end with the signal. `giveUp` keeps calls that failed to the end, and
   * `isOurs` tells whether this process leads. With a distributor, changes go there, and calls are made for what comes
   * back by `handle`.
   */
  register(
    handlers: readonly BinlogHandler[],
    { distributor, ...work }: HandlerWork & { readonly distributor?: ChangeDistributor | undefined },
  ): void {
    const { errors, config } = this;
    this.distributor = distributor;
    this.runner = new HandlerRunner({ handlers, options: config.handlers, errors, ...work });
  }

  /** Calls a handler, `Class.method`, once more for a change. Never rejects. */
  async retryHandler(handler: string, event: ChangeEvent): Promise<RetriedCall> {
    return (await this.runner?.retry(handler, event)) ?? { done: false, reason: 'the app was not started' };
  }

  /** Calls the handlers for a change that was distributed; see `HandlerRunner.handle`. */
  async handle(event: ChangeEvent, rows: readonly string[], signal: AbortSignal): Promise<boolean> {
    return (await this.runner?.handle(event, rows, signal)) ?? false;
  }

  /** Those of the names that no handler of this process has. */
  lacking(handlers: readonly string[]): readonly string[] {
    return this.runner?.lacking(handlers) ?? handlers;
  }

  /** Gives up calls of handlers that no process has; see `HandlerRunner.giveUpOn`. */
  async giveUpOn(
    handlers: readonly string[],
    event: ChangeEvent,
    failure: Parameters<GiveUp>[2],
  ): Promise<boolean> {
    return (await this.runner?.giveUpOn(handlers, event, failure)) ?? false;
  }

  /** Gives up the calls for a change that was distributed; see `HandlerRunner.abandon`. */
  async abandon(event: ChangeEvent, failure: Parameters<GiveUp>[2]): Promise<boolean> {
    return (await this.runner?.abandon(event, failure)) ?? false;
  }

  /** Whether anybody would see the changes of a table. */
  wants(table: TableShape): boolean {
    return this.emitsHere || (this.runner?.handlersFor(table).length ?? 0) > 0;
  }

  /**
   * Emits the changes in order and queues the handler calls; waits only for room in their queue. Resolves with what
   * becomes of the calls, or undefined when there are none.
   */
  async publish(items: readonly StreamItem[]): Promise<HandlerOutcome | undefined> {
    const outcomes: HandlerOutcome[] = [];
    // Of the whole batch: this process may lose the lead and win it again while the batch waits for the broker.
    const term = this.distributor?.term ?? 0;
    const turn = this.runner?.turn;
    const slice = new TimeSlice();
    for (const item of items) {
      if (slice.isOver) await slice.next();
      // Projected rows were read before anybody listened.
      if (item.kind !== 'row' || item.projected) continue;
      const handlers = this.runner?.handlersFor(item.table, item.action) ?? [];
      const { emitsHere } = this;
      if (handlers.length === 0 && !emitsHere) continue;
      const event = toChangeEvent(item);
      this.published++;
      if (emitsHere) this.subject.next(event);
      if (handlers.length === 0) continue;
      if (this.distributor) {
        const names = handlers.map(({ name }) => name);
        outcomes.push(await this.distributor.publish(item, event, term, names));
      } else if (this.runner) outcomes.push(...(await this.runner.enqueue(handlers, item, event, turn)));
    }
    if (outcomes.length === 0) return undefined;
    const all = Promise.all(outcomes.map(({ settled }) => settled));
    return { settled: all.then((results) => results.every(Boolean)) };
  }

  /** Emits a change that came to every process. */
  emit(event: ChangeEvent): void {
    this.published++;
    this.subject.next(event);
  }

  /** Whether anybody listens to what the tail publishes here; with delivery everywhere it comes to all the same way. */
  private get emitsHere(): boolean {
    return this.config.events.delivery === 'leader' && this.subject.observed;
  }

  /** Another process goes on: what waits for its turn is its work. What has begun is finished. */
  dropWaiting(): void {
    this.runner?.dropWaiting();
  }

  /** Resolves when no handler call waits or runs. */
  async idle(): Promise<void> {
    await this.runner?.idle();
  }

  complete(): void {
    this.subject.complete();
  }
}
