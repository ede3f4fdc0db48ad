import { randomUUID } from 'node:crypto';
import type { RowChange, TableFlush, TransactionPiece } from '../../change/stream';
import type { HandlerOutcome } from '../../checkpoint/handler-outcome';
import { messageOf } from '../../errors/cacheflow.error';
import type { ErrorReporter } from '../../errors/error-reporter';
import { RedisUnavailableError } from '../../errors/redis.errors';
import type { EventsKeys } from '../../redis/own-keys';
import type { RedisConnection } from '../../redis/redis-connection';
import type { RedisHold } from '../../redis/redis-hold';
import { isReply } from '../../redis/redis-writer';
import { replyCode } from '../../redis/reply-code';
import type { NewEventsEntry } from '../../redis/scripts/append-events';
import { appendEvents } from '../../redis/scripts/append-events';
import { untilAborted } from '../../support/abort';
import { Backoff } from '../../support/backoff';
import { TimeSlice } from '../../support/time-slice';
import { encodeChange, encodeGap, toEntries } from './events-entry';
import type { StreamBound } from './stream-bound';
import type { AppliedPlace } from './stretch';
import { Stretches } from './stretch';

/** What a writer works with. */
export interface EventsWriterContext {
  readonly keys: EventsKeys;
  readonly redis: RedisConnection;
  readonly hold: RedisHold;
  readonly errors: ErrorReporter;
  readonly bound: StreamBound;
  readonly signal: AbortSignal;
  /** Whether any process wants to see the change, or has to know that nobody can see one. */
  wants(item: RowChange | TableFlush): boolean;
}

/** What waits to be written may take so much memory, or be one batch. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;
/** One call of the script takes so much, or one entry. */
const CALL_BYTES = 1024 * 1024;

/** Appends the changes of each batch to the stream that every process reads, in order. */
export class EventsWriter {
  private readonly stretches = new Stretches();
  private readonly instance = randomUUID();
  private calls = 0;
  /** Resolves when all that was given so far is written. Never rejects. */
  private written: Promise<unknown> = Promise.resolve();
  private waitingBytes = 0;

  constructor(private readonly context: EventsWriterContext) {}

  /**
   * Writes the changes of a batch behind those of the batches before; waits only for room. Resolves with what tells
   * whether they were written, or undefined when there are none.
   */
  async write(
    batch: readonly TransactionPiece[],
    applied: AppliedPlace,
  ): Promise<HandlerOutcome | undefined> {
    const { signal } = this.context;
    // The changes of a leader that was deposed stay those of its term.
    const term = applied.stream?.term ?? 0;
    const stretch = this.stretches.of(batch, applied);
    const texts = await this.encode(batch);
    if (texts.length === 0) return undefined;
    const entries = toEntries(texts, stretch);
    if (this.waitingBytes > MAX_WAITING_BYTES) await untilAborted(this.written, signal);
    const bytes = entries.reduce((sum, { changes }) => sum + changes.length, 0);
    this.waitingBytes += bytes;
    const settled = this.written.then(async () => {
      const complete = await this.append(entries, term);
      this.waitingBytes -= bytes;
      return complete;
    });
    this.written = settled;
    return { settled };
  }

  /** Resolves when nothing waits to be written. */
  async idle(): Promise<void> {
    await this.written;
  }

  private async encode(batch: readonly TransactionPiece[]): Promise<string[]> {
    const texts: string[] = [];
    const slice = new TimeSlice();
    for (const { items } of batch) {
      for (const item of items) {
        if (slice.isOver) await slice.next();
        if (!this.context.wants(item)) continue;
        texts.push(item.kind === 'row' ? encodeChange(item) : encodeGap(gapOf(item)));
      }
    }
    return texts;
  }

  /** False where a shutdown or a newer leader kept the entries out. */
  private async append(entries: readonly NewEventsEntry[], term: number): Promise<boolean> {
    for (let at = 0; at < entries.length;) {
      const part = [entries[at++] as NewEventsEntry];
      let bytes = part[0]?.changes.length ?? 0;
      for (let next = entries[at]; next && bytes + next.changes.length <= CALL_BYTES; next = entries[++at]) {
        part.push(next);
        bytes += next.changes.length;
      }
      if (!(await this.call(part, term))) return false;
    }
    return true;
  }

  private async call(entries: readonly NewEventsEntry[], term: number): Promise<boolean> {
    const { redis, hold, keys, bound, signal, errors } = this.context;
    const id = `${this.instance}:${++this.calls}`;
    const maxLength = bound.lengthWith(entries.map(({ changes }) => changes.length));
    const backoff = new Backoff({ minMillis: 100, maxMillis: 10_000 });
    while (!signal.aborted) {
      try {
        const reply = await hold.run(signal, () =>
          appendEvents(redis.client, keys, { term, id, maxLength, entries }),
        );
        return reply !== 'deposed';
      } catch (cause) {
        if (signal.aborted) return false;
        const problem = isReply(cause) ? replyCode(cause.message) : messageOf(cause);
        errors.report(
          new RedisUnavailableError(
            `Redis refuses the changes that every process receives (${problem}); trying again. The checkpoint waits, and ` +
              'soon the tail. Give Redis memory, and its user the rights that the documentation lists',
            { cause },
          ),
        );
      }
      // Rejects only at shutdown, which the next turn of the loop sees.
      await backoff.wait(signal).catch(() => undefined);
    }
    return false;
  }
}

function gapOf({ table: scope }: TableFlush): { reason: string; table: string | undefined } {
  return {
    reason:
      'rows changed in a way that cannot be told row by row (TRUNCATE, DDL, or changes that were lost or unreadable)',
    table: scope && `${scope.schema}.${scope.table ?? '*'}`,
  };
}
