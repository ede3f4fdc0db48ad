import type { ChangeEvent } from '../../change/change-event';
import type { RowChange, TableShape } from '../../change/stream';
import { tableId } from '../../change/table-name';
import { messageOf } from '../../errors/cacheflow.error';
import type { ErrorReporter } from '../../errors/error-reporter';
import type { MissedEvents } from '../../errors/events.errors';
import { EventsMissedError } from '../../errors/events.errors';
import { RedisUnavailableError } from '../../errors/redis.errors';
import type { EventsKeys } from '../../redis/own-keys';
import type { RedisClient } from '../../redis/redis-client';
import { isReply } from '../../redis/redis-writer';
import { replyCode } from '../../redis/reply-code';
import { untilAborted, withDeadline } from '../../support/abort';
import { Backoff } from '../../support/backoff';
import { TimeSlice } from '../../support/time-slice';
import type { EventsStep } from './events-cursor';
import { EventsCursor } from './events-cursor';
import type { EventsItem } from './events-entry';
import { decodeItems, toRowChange } from './events-entry';
import type { Stretch } from './stretch';

/** What a reader works with. */
export interface EventsReaderContext {
  readonly keys: EventsKeys;
  readonly errors: ErrorReporter;
  /** Opens the connection, which is the reader's to close. */
  open(): RedisClient;
  /** Takes a change; resolves when there is room for the next one. */
  deliver(change: RowChange, event: ChangeEvent): Promise<void>;
  /** Resolves when everything that was delivered is done. */
  idle(): Promise<void>;
}

/** How long a start waits for Redis. Later the process cannot know what it has missed meanwhile. */
const FIX_MILLIS = 2_000;

/** Reads the stream of the changes for one process, and delivers them in order. */
export class EventsReader {
  private readonly ending = new AbortController();
  private client: RedisClient | undefined;
  private cursor: EventsCursor | undefined;
  private running: Promise<void> | undefined;

  constructor(private readonly context: EventsReaderContext) {}

  /** Opens the connection, and fixes the place where this process begins if Redis answers in time. Never rejects. */
  async begin(): Promise<void> {
    const { keys, open } = this.context;
    this.client = open();
    const cursor = new EventsCursor(this.client, keys);
    this.cursor = cursor;
    // The first read tries again, and tells.
    await withDeadline(FIX_MILLIS, this.ending.signal, (signal) => cursor.fix(signal)).catch(() => undefined);
  }

  /** Begins to deliver, after `begin`. */
  start(): void {
    if (this.cursor) this.running ??= this.run(this.cursor);
  }

  /** Stops reading, and closes the connection. Resolves when nothing is being delivered any more. */
  async stop(): Promise<void> {
    this.ending.abort(new Error('The changes are no longer read'));
    this.client?.disconnect();
    await this.running;
  }

  private async run(cursor: EventsCursor): Promise<void> {
    const { signal } = this.ending;
    const backoff = new Backoff({ minMillis: 50, maxMillis: 2_000 });
    while (!signal.aborted) {
      try {
        for await (const step of cursor.read(signal)) {
          await this.take(step);
          if (signal.aborted) return;
        }
        backoff.reset();
      } catch (cause) {
        if (signal.aborted) return;
        this.report(cause);
        await backoff.wait(signal).catch(() => undefined);
      }
    }
  }

  private async take(step: EventsStep): Promise<void> {
    if (step.kind === 'missed') return this.tell(step.missed, step.reason);
    let items: EventsItem[];
    try {
      items = decodeItems(step.changes);
    } catch (cause) {
      const missed = { ...rangeOf(step.stretch), table: undefined };
      return this.tell(missed, 'another version of the library, or somebody else, has written them', cause);
    }
    const shapes = new Map<string, TableShape>();
    const slice = new TimeSlice();
    for (const item of items) {
      if (slice.isOver) await slice.next();
      if (this.ending.signal.aborted) return;
      if (!('event' in item)) {
        await this.tell({ ...rangeOf(step.stretch), table: item.table }, item.reason);
        continue;
      }
      const { event, primaryKey } = item;
      const id = tableId(event);
      let shape = shapes.get(id);
      // A statement may have changed the primary key meanwhile.
      if (shape?.primaryKey.join('\0') !== primaryKey.join('\0')) {
        shape = { schema: event.schema, table: event.table, columns: [], primaryKey };
        shapes.set(id, shape);
      }
      await this.context.deliver(toRowChange(event, shape as TableShape), event);
    }
  }

  /** After what was delivered before, so that nothing old is put into a memory that was emptied for this. */
  private async tell(missed: MissedEvents, reason: string, cause?: unknown): Promise<void> {
    await untilAborted(this.context.idle(), this.ending.signal);
    this.context.errors.report(new EventsMissedError(reason, missed, { cause }));
  }

  private report(cause: unknown): void {
    const problem = isReply(cause) ? replyCode(cause.message) : messageOf(cause);
    this.context.errors.report(
      new RedisUnavailableError(`The changes for this process cannot be read (${problem}); trying again`, {
        cause,
      }),
    );
  }
}

function rangeOf(stretch: Stretch): Pick<MissedEvents, 'from' | 'to'> {
  return { from: stretch.from, to: stretch.to };
}
