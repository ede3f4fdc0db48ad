import { messageOf } from '../errors/cacheflow.error';
import type { ErrorReporter } from '../errors/error-reporter';
import { LeadershipLostError } from '../errors/group.errors';
import { CheckpointFailedError, RedisRewoundError } from '../errors/redis.errors';
import { Backoff } from '../support/backoff';
import type { Checkpoint, CheckpointStore } from '../options/checkpoint.store';
import type { HandlerOutcome } from './handler-outcome';

interface Entry {
  /** Absent for a piece of a transaction that has not ended. */
  checkpoint: Checkpoint | undefined;
  settled: boolean;
}

/** What a keeper works with. */
export interface KeeperContext {
  readonly name: string;
  readonly store: CheckpointStore;
  readonly errors: ErrorReporter;
  /** Ends the attempts to save. */
  readonly signal: AbortSignal;
  /** Told when a later leader has saved one, so that ours comes too late. */
  onDeposed(error: LeadershipLostError, term: number | undefined): void;
}

/** Decides how far the checkpoint may move, and saves it. */
export class CheckpointKeeper {
  /** Applied batches in commit order, the oldest of which still waits for handlers. */
  private entries: Entry[] = [];
  private due: Checkpoint | undefined;
  private saving: Promise<void> | undefined;
  /** The checkpoint that is stored. */
  saved: Checkpoint | undefined;

  constructor(private readonly context: KeeperContext) {}

  /**
   * Everything up to here was applied; the handler calls may still run. The checkpoint moves here once they and all
   * before them are over; it never passes one that a shutdown cut short.
   */
  applied(checkpoint: Checkpoint, handlers: HandlerOutcome | undefined): void {
    this.enter(checkpoint, handlers);
  }

  /** As `applied`, for a piece of a transaction that goes on. */
  appliedPiece(handlers: HandlerOutcome): void {
    this.enter(undefined, handlers);
  }

  /** Forgets what was applied and not saved: the stream goes on from another place. */
  reset(): void {
    this.entries = [];
    this.due = undefined;
  }

  private enter(checkpoint: Checkpoint | undefined, handlers: HandlerOutcome | undefined): void {
    const entry: Entry = { checkpoint, settled: handlers === undefined };
    this.entries.push(entry);
    void handlers?.settled.then((complete) => {
      entry.settled = complete;
      this.settle();
      // Nobody else comes by when the stream is idle.
      return this.save();
    });
    this.settle();
  }

  /** Stores the latest checkpoint that is due, if any. Never rejects: it reports and tries again until shutdown. */
  save(): Promise<void> {
    if (!this.due) return this.saving ?? Promise.resolve();
    this.saving ??= this.saveDue();
    return this.saving;
  }

  private settle(): void {
    this.mergeSettled();
    while (this.entries[0]?.settled) this.due = this.entries.shift()?.checkpoint ?? this.due;
  }

  /** Joins neighbours that are settled, so that a slow handler keeps no more than two entries for each call. */
  private mergeSettled(): void {
    this.entries = this.entries.filter((entry, index) => {
      const next = this.entries[index + 1];
      if (!entry.settled || !next?.settled) return true;
      next.checkpoint ??= entry.checkpoint;
      return false;
    });
  }

  private async saveDue(): Promise<void> {
    const { name, store, errors, signal, onDeposed } = this.context;
    const backoff = new Backoff({ minMillis: 50, maxMillis: 2_000 });
    // After the cut-off another process may have taken over, whose checkpoint must not be moved back.
    while (this.due && !signal.aborted) {
      const checkpoint = this.due;
      try {
        await store.save(name, checkpoint);
        this.saved = checkpoint;
        if (this.due === checkpoint) this.due = undefined;
      } catch (cause) {
        // The tail goes back, and what was due with it.
        if (signal.aborted || cause instanceof RedisRewoundError) break;
        if (cause instanceof LeadershipLostError) {
          if (this.due === checkpoint) this.due = undefined;
          onDeposed(cause, checkpoint.term);
          break;
        }
        errors.report(
          new CheckpointFailedError(
            `The checkpoint could not be saved: ${messageOf(cause)}; changes are applied all the same, ` +
              'a restart would repeat them, and saving is tried again',
            { cause },
          ),
        );
        await backoff.wait(signal).catch(() => undefined);
      }
    }
    // In the same turn in which nothing was due any more, so that no later call is taken for this one.
    this.saving = undefined;
  }
}
