import type { EventsKeys } from '../../redis/own-keys';
import type { RedisClient } from '../../redis/redis-client';
import { untilAborted } from '../../support/abort';
import type { MissedEvents } from '../../errors/events.errors';
import type { Stretch } from './stretch';
import { follows, reached, readStretch, resumed } from './stretch';

/** What comes next out of the stream. */
export type EventsStep =
  | { readonly kind: 'entry'; readonly stretch: Stretch; readonly changes: string }
  | { readonly kind: 'missed'; readonly missed: MissedEvents; readonly reason: string };

/** Entries that are read at a time: most often a megabyte at most. */
const ENTRIES = 4;
/** So often an idle reader looks whether the stream is still the one that it read. */
const BLOCK_MILLIS = 5_000;
/** A connection that gives no reply for so long is dead. */
const SILENT_MILLIS = 30_000;
const NO_ID = '0-0';
const NO_NAME = '';

/** Where an entry is, or the end of the stream. */
interface Place {
  readonly id: string;
  /** Tells the entry from every other one, also where Redis was emptied and gives the same id again. */
  readonly name: string;
  readonly stretch: Stretch | undefined;
}

interface Entry extends Place {
  /** The name of the entry before. */
  readonly after: string;
  readonly stretch: Stretch;
  readonly changes: string;
}

/** A place in the stream, and the reading from there on. */
export class EventsCursor {
  /** The last entry that was read; undefined until the start is fixed. */
  private id: string | undefined;
  private name = NO_NAME;
  private last: Stretch | undefined;

  constructor(
    /** A connection that nobody else waits for. */
    private readonly client: RedisClient,
    private readonly keys: EventsKeys,
  ) {}

  /** Starts at the end that the stream has now. */
  async fix(signal: AbortSignal): Promise<void> {
    const head = await this.head(signal);
    this.move(head);
  }

  /** Waits for a while for what comes next; may find nothing. Rejects when Redis is out of reach or refuses. */
  async *read(signal: AbortSignal): AsyncGenerator<EventsStep> {
    if (this.id === undefined) {
      await this.fix(signal);
      yield this.missed(undefined, this.last, 'Redis was out of reach when the app started');
    }
    const entries = await this.entries(signal, BLOCK_MILLIS);
    if (entries.length > 0) yield* this.take(entries);
    else yield* this.look(signal);
  }

  /** Where nothing comes, the head tells whether that is because there is nothing. */
  private async *look(signal: AbortSignal): AsyncGenerator<EventsStep> {
    const head = await this.head(signal);
    if (head.name === this.name) return;
    const entries = await this.entries(signal);
    if (entries.length > 0) {
      yield* this.take(entries);
      return;
    }
    const before = this.last;
    this.move(head);
    yield this.missed(
      before,
      head.stretch,
      'Redis has lost the stream (it was emptied, came back from an older snapshot, or failed over)',
    );
  }

  private *take(entries: readonly Entry[]): Generator<EventsStep> {
    for (const entry of entries) {
      const { after, stretch, changes } = entry;
      const isNext = after === this.name || follows(stretch, this.last);
      if (!isNext) {
        yield this.missed(
          this.last,
          stretch,
          'it was away, or too slow, for longer than the stream keeps changes (`events.maxLength`, `events.maxBytes`), or ' +
            'Redis has lost them',
        );
      }
      yield { kind: 'entry', stretch, changes };
      this.move(entry);
    }
  }

  private move({ id, name, stretch }: Place): void {
    this.id = id;
    this.name = name;
    this.last = stretch;
  }

  private missed(from: Stretch | undefined, to: Stretch | undefined, reason: string): EventsStep {
    const missed = { from: from && reached(from), to: to && resumed(to), table: undefined };
    return { kind: 'missed', missed, reason };
  }

  private async head(signal: AbortSignal): Promise<Place> {
    const reply = this.client.hmget(this.keys.eventsHead, 'id', 'name', 'stretch');
    const [id, name, stretch] = await this.answer(reply, signal);
    return { id: id ?? NO_ID, name: name ?? NO_NAME, stretch: stretch ? readStretch(stretch) : undefined };
  }

  private async entries(signal: AbortSignal, blockMillis?: number): Promise<Entry[]> {
    const { client, keys } = this;
    const from = ['STREAMS', keys.events, this.id ?? NO_ID] as const;
    const answer: Promise<unknown> =
      blockMillis === undefined
        ? client.xread('COUNT', ENTRIES, ...from)
        : client.xread('COUNT', ENTRIES, 'BLOCK', blockMillis, ...from);
    const reply = await this.answer(answer, signal);
    // A client may be set to give a map.
    const streams = Array.isArray(reply) ? (reply as unknown[][]) : Object.entries(reply ?? {});
    return ((streams[0]?.[1] ?? []) as [string, string[]][]).map(([entryId, fields]) =>
      toEntry(entryId, fields),
    );
  }

  /** The client makes a dead connection anew, and asks again. */
  private async answer<T>(reply: Promise<T>, signal: AbortSignal): Promise<T> {
    const watchdog = setInterval(() => this.client.disconnect(true), SILENT_MILLIS);
    try {
      return await untilAborted(reply, signal);
    } finally {
      clearInterval(watchdog);
    }
  }
}

function toEntry(id: string, fields: readonly string[]): Entry {
  const values = new Map<string, string>();
  for (let at = 0; at < fields.length; at += 2) values.set(fields[at] ?? '', fields[at + 1] ?? '');
  return {
    id,
    name: values.get('name') ?? id,
    after: values.get('after') ?? '',
    stretch: readStretch(values.get('stretch')),
    changes: values.get('changes') ?? '',
  };
}
