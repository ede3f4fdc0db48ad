import type { BinlogPosition } from '../change/position';
import type { Checkpoint } from '../options/checkpoint.store';
import type { CheckpointKeeper } from '../checkpoint/checkpoint-keeper';
import { both } from '../checkpoint/handler-outcome';
import type { EventHub } from '../events/event-hub';
import type { EverywhereEvents } from '../events/everywhere/everywhere-events';
import type { StrategyService } from '../strategy/strategy.service';
import type { AppliedPosition } from './applied-position';
import type { ChangeQueue } from './change-queue';
import { Gate } from '../support/gate';
import type { StreamItem, TransactionPiece } from '../change/stream';
import type { VisibilityBarrier } from '../barrier/visibility-barrier';

/** What a pipeline works with, in the order in which a batch comes by. */
export interface PipelineContext {
  readonly queue: ChangeQueue;
  readonly barrier: VisibilityBarrier;
  readonly strategy: StrategyService;
  readonly events: EventHub;
  readonly everywhere: EverywhereEvents;
  readonly keeper: CheckpointKeeper;
  readonly position: AppliedPosition;
  /** Ends a batch in hand. */
  readonly signal: AbortSignal;
  /** Is shown each batch once it is applied. */
  onApplied(items: readonly StreamItem[]): void;
}

/** Rows of a batch: enough to amortise the round trips, and few enough that the queue holds the next ones. */
const BATCH_ROWS = 2_000;

/** Why a batch was dropped unapplied. */
class BatchAbandoned extends Error {}

/** The one loop: takes what is queued, makes the cache right, hands the changes on, moves the checkpoint. */
export class ChangePipeline {
  private readonly gate = new Gate();
  /** Of the batch in hand; replaced when it is given up. */
  private attempt = new AbortController();

  constructor(private readonly context: PipelineContext) {
    const { signal } = context;
    signal.addEventListener('abort', () => this.attempt.abort(signal.reason), { once: true });
  }

  /** Runs until the queue is closed. Rejects when the signal is aborted in the middle of a batch. */
  async run(): Promise<void> {
    for (;;) {
      await this.gate.pass();
      const batch = await this.context.queue.take(BATCH_ROWS);
      if (!batch) return;
      const { signal } = this.attempt;
      try {
        await this.process(batch, signal);
      } catch (cause) {
        if (!(signal.reason instanceof BatchAbandoned)) throw cause;
      } finally {
        this.context.queue.done(batch);
      }
      if (this.context.queue.isIdle) void this.context.keeper.save();
    }
  }

  /** Drops the batch in hand and all that waits, because it will be read again, or not from this source. */
  abandon(): void {
    if (this.context.signal.aborted) return;
    const given = this.attempt;
    this.attempt = new AbortController();
    given.abort(new BatchAbandoned());
    this.context.queue.clear();
    this.context.barrier.forget();
  }

  private async process(batch: readonly TransactionPiece[], signal: AbortSignal): Promise<void> {
    const { queue, barrier, strategy, events, everywhere, keeper, position } = this.context;
    const items: StreamItem[] = [];
    for (const piece of batch) for (const item of piece.items) items.push(item);
    // The checkpoint of the batches before: this batch's own may only follow once Redis has acknowledged all of it.
    // Nobody waits for it. If it cannot be saved, a restart repeats more, but stale keys must not stay in the cache
    // meanwhile. It never rejects.
    void keeper.save();
    await barrier.pass(batch, signal);
    barrier.lookAhead(queue.waiting, BATCH_ROWS, signal);
    await strategy.apply(items, signal);
    this.context.onApplied(items);

    // What is handed on counts as read in the present term.
    signal.throwIfAborted();
    const handlers = both(await events.publish(items), await everywhere.write(batch, position));
    signal.throwIfAborted();
    const end = this.advance(batch);
    if (end) keeper.applied(end, handlers);
    else if (handlers) keeper.appliedPiece(handlers);
  }

  /** Stops between two batches. */
  pause(): void {
    this.gate.close();
  }

  resume(): void {
    this.gate.open();
  }

  /** The position after the last whole transaction of the batch; undefined when none ends in it. */
  private advance(batch: readonly TransactionPiece[]): Checkpoint | undefined {
    let end: BinlogPosition | undefined;
    let prepared: TransactionPiece['prepared'];
    for (const piece of batch) {
      if (!piece.end) continue;
      ({ end, prepared } = piece);
      if (piece.gtids) this.context.position.useGtids(piece.gtids);
      if (piece.gtid !== undefined) this.context.position.addGtid(piece.gtid);
    }
    return end && this.context.position.moveTo(end, prepared);
  }
}
