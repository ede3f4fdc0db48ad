import type { ResolvedHandlerOptions } from '../config/resolve-handlers';
import { HandlerFailedError, errorKind } from '../errors/change.errors';
import type { ErrorReporter } from '../errors/error-reporter';
import type { RowChange, TableShape } from '../change/stream';
import type { HandlerOutcome } from '../checkpoint/handler-outcome';
import type { TableName } from '../change/table-name';
import { nameOf } from '../change/table-name';
import { Backoff } from '../support/backoff';
import type { ChangeAction, ChangeEvent } from '../change/change-event';
import type { BinlogHandler } from './on-binlog.explorer';
import { OrderedCalls } from './ordered-calls';
import { rowIdentities } from './row-identities';

/** A queue that stays full for longer than this is worth a warning. */
const FULL_MILLIS = 10_000;
const LONGEST_BACKOFF_MILLIS = 30_000;

/** What the calls of handlers depend on. */
export interface HandlerWork {
  /** Ends retries. */
  readonly signal: AbortSignal;
  readonly giveUp: GiveUp;
  /** Who waits when the queue is full. @defaultValue `'the tail and the cache wait'` */
  readonly whoWaits?: string;
  /** Whether the calls are still this process' work. */
  isOurs(): boolean;
}

/** What a runner works with. */
export interface HandlerContext extends HandlerWork {
  readonly handlers: readonly BinlogHandler[];
  readonly options: ResolvedHandlerOptions;
  readonly errors: ErrorReporter;
}

/** How far a call may go. */
interface CallBounds {
  /** Ends the waits between its attempts. */
  readonly signal: AbortSignal;
  /** Asked before each attempt. */
  goesOn(): boolean;
}

/** Calls the `@OnBinlog` handlers: those of one row in commit order, those of different rows side by side. */
export class HandlerRunner {
  private readonly calls: OrderedCalls;
  /** By the table, which is another object after each DDL, and by the action. */
  private readonly found = new WeakMap<TableShape, Map<ChangeAction | undefined, readonly BinlogHandler[]>>();
  private generation = 0;
  /** Handler calls that were given up. */
  failures = 0;

  constructor(private readonly context: HandlerContext) {
    const { queueSize, concurrency } = context.options;
    this.calls = new OrderedCalls(queueSize, concurrency);
  }

  /** Handler calls that wait or run. */
  get pending(): number {
    return this.calls.length;
  }

  /** Grows whenever what waits is no longer ours. Calls are made as long as it is what it was when their batch came. */
  get turn(): number {
    return this.generation;
  }

  /** Drops the calls that have not begun; the others get no further attempt. */
  dropWaiting(): void {
    this.generation++;
  }

  /** Resolves when no call waits or runs. */
  async idle(): Promise<void> {
    await this.calls.idle();
  }

  /** The handlers that want changes of a table, or those that want one action of them. */
  handlersFor(of: TableShape, action?: ChangeAction): readonly BinlogHandler[] {
    let byAction = this.found.get(of);
    if (!byAction) this.found.set(of, (byAction = new Map()));
    let handlers = byAction.get(action);
    if (!handlers) byAction.set(action, (handlers = this.findHandlers(of, action)));
    return handlers;
  }

  /** A method is called once for a change, even when several of its decorators match. */
  private findHandlers(of: TableName, action: ChangeAction | undefined): readonly BinlogHandler[] {
    const methods = new Map<BinlogHandler['handle'], BinlogHandler>();
    for (const each of this.context.handlers) {
      const wanted = action === undefined || !each.actions || each.actions.has(action);
      const matches = each.patterns.some((pattern) => pattern.matches(of.schema, of.table));
      if (wanted && matches && !methods.has(each.handle)) methods.set(each.handle, each);
    }
    return [...methods.values()];
  }

  /**
   * Queues the calls for one change, waiting for room; resolves then with what tells the outcome of each: true when
   * the handler succeeded or was given up, reported and parked, false when a shutdown cut it short.
   *
   * @param turn when the batch of the change came: this process may lose the lead and win it again on the way
   */
  async enqueue(
    handlers: readonly BinlogHandler[],
    change: RowChange,
    event: ChangeEvent,
    turn = this.turn,
  ): Promise<HandlerOutcome[]> {
    const rows = rowIdentities(change.table, change);
    const { signal, isOurs } = this.context;
    // Asked first, because it notices by the clock that somebody else may go on by now.
    const goesOn = (): boolean => isOurs() && turn === this.turn && !signal.aborted;
    const outcomes: HandlerOutcome[] = [];
    for (const handler of handlers) {
      await this.room();
      outcomes.push({ settled: this.enter(handler, rows, event, { signal, goesOn }) });
    }
    return outcomes;
  }

  /**
   * Calls every handler that wants the change. It does not wait for room, which could change the order: whoever hands
   * changes over this way bounds how many there are at a time.
   *
   * @param signal once it is aborted, no further call begins
   * @returns true when each handler succeeded or was given up, reported and parked
   */
  async handle(event: ChangeEvent, rows: readonly string[], signal: AbortSignal): Promise<boolean> {
    const handlers = this.findHandlers(event, event.action);
    const bounds = { signal, goesOn: () => !signal.aborted };
    const results = await Promise.all(handlers.map((each) => this.enter(each, rows, event, bounds)));
    return results.every(Boolean);
  }

  /** Gives up every call for the change without making it. Resolves as `handle` does. */
  async abandon(event: ChangeEvent, failure: Parameters<GiveUp>[2]): Promise<boolean> {
    const handlers = this.findHandlers(event, event.action);
    const names = handlers.map(({ name }) => name);
    return this.giveUpOn(names, event, failure);
  }

  /** Those of the names that no handler has. */
  lacking(names: readonly string[]): readonly string[] {
    const own = new Set(this.context.handlers.map(({ name }) => name));
    return names.filter((name) => !own.has(name));
  }

  /** Gives up the calls of these handlers without making them. Resolves as `handle` does. */
  async giveUpOn(
    names: readonly string[],
    event: ChangeEvent,
    failure: Parameters<GiveUp>[2],
  ): Promise<boolean> {
    const results = await Promise.all(names.map((each) => this.fail(each, event, failure)));
    return results.every(Boolean);
  }

  private enter(
    handler: BinlogHandler,
    rows: readonly string[],
    event: ChangeEvent,
    bounds: CallBounds,
  ): Promise<boolean> {
    const orderKeys = rows.map((row) => `${handler.name}\0${row}`);
    return this.calls.run(orderKeys, () => this.call(handler, event, bounds));
  }

  /**
   * Calls a handler once more for a change, outside of its row's order. One that the app no longer has is not done,
   * so that it ends among the dead letters. Never rejects.
   */
  async retry(name: string, event: ChangeEvent): Promise<RetriedCall> {
    const handler = this.context.handlers.find((each) => each.name === name);
    if (!handler) return { done: false, reason: 'the app has no such handler' };
    try {
      await handler.handle(event);
      return { done: true };
    } catch (cause) {
      return { done: false, reason: errorKind(cause) };
    }
  }

  /** Waits for room, and says so when it takes long: the cache waits as well. */
  private async room(): Promise<void> {
    const alarm = setInterval(
      () =>
        this.context.errors.warn(
          `${this.calls.length} calls of @OnBinlog handlers wait or run, and none has ended for ${FULL_MILLIS / 1_000} s: ` +
            `${this.context.whoWaits ?? 'the tail and the cache wait'} for them. Look for a handler that never returns`,
        ),
      FULL_MILLIS,
    ).unref();
    try {
      await this.calls.room();
    } finally {
      clearInterval(alarm);
    }
  }

  private async park(handler: string, event: ChangeEvent, failure: Parameters<GiveUp>[2]): Promise<boolean> {
    try {
      await this.context.giveUp(handler, event, failure);
      return true;
    } catch {
      // Only a shutdown ends it, and then the change comes again after the restart.
      return false;
    }
  }

  /** Reports and parks a call. */
  private async fail(handler: string, event: ChangeEvent, failure: Parameters<GiveUp>[2]): Promise<boolean> {
    const { attempts, cause } = failure;
    this.failures++;
    this.context.errors.report(
      new HandlerFailedError(handler, attempts, nameOf(event), event.position, cause),
    );
    return this.park(handler, event, failure);
  }

  private async call(
    handler: BinlogHandler,
    event: ChangeEvent,
    { signal, goesOn }: CallBounds,
  ): Promise<boolean> {
    const { maxAttempts, backoffMillis } = this.context.options;
    const backoff = new Backoff({ minMillis: backoffMillis, maxMillis: LONGEST_BACKOFF_MILLIS });
    for (let attempt = 1; ; attempt++) {
      if (!goesOn()) return false;
      try {
        await handler.handle(event);
        return true;
      } catch (cause) {
        if (attempt >= maxAttempts) return this.fail(handler.name, event, { attempts: attempt, cause });
      }
      // Rejects only at shutdown, which the next turn of the loop sees.
      await backoff.wait(signal).catch(() => undefined);
    }
  }
}

/** Puts a call that was given up where it is not lost; rejects only at shutdown. */
export type GiveUp = (
  handler: string,
  event: ChangeEvent,
  failure: { readonly attempts: number; readonly cause: unknown },
) => Promise<void>;

export type RetriedCall = { readonly done: true } | { readonly done: false; readonly reason: string };
