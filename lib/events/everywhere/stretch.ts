import type { BinlogPlace } from '../../change/position';
import { comparePositions } from '../../change/position';
import type { TransactionPiece } from '../../change/stream';
import type { EventsPlace } from '../../errors/events.errors';

/** The part of the binlog that an entry of the stream covers. */
export interface Stretch {
  /** The server and the history of its binlog: only places of the same one can be compared. */
  readonly origin: string;
  /** Undefined where it is not known. */
  readonly from: EventsPlace | undefined;
  readonly to: EventsPlace | undefined;
  /** The entry is the first one of its stretch, and nothing between `from` and it is missing. */
  readonly whole: boolean;
  /** The entry is the last one of its stretch. */
  readonly done: boolean;
}

/** How far everything was applied before a batch. */
export interface AppliedPlace {
  readonly value: BinlogPlace | undefined;
  readonly stream:
    { readonly serverUuid: string; readonly epoch: number; readonly term?: number } | undefined;
}

/** Tells the stretch of each batch. */
export class Stretches {
  /** The batch before ended within a transaction, which begins before all that is known. */
  private withinTransaction = false;

  /** Of the whole batch. It has to be asked for each of them, in order. */
  of(batch: readonly TransactionPiece[], applied: AppliedPlace): Stretch {
    const whole = !this.withinTransaction && applied.value !== undefined;
    this.withinTransaction = batch.at(-1)?.end === undefined;
    const last = batch.findLast(({ end }) => end !== undefined);
    const from = applied.value && placeOf(applied.value);
    return {
      origin: `${applied.stream?.serverUuid}:${applied.stream?.epoch}`,
      from,
      to: last?.end ? placeOf(last.end, last.gtid) : from,
      whole,
      done: true,
    };
  }
}

/** The stretches of the entries that a batch is split into. */
export function split(stretch: Stretch, index: number, count: number): Stretch {
  return { ...stretch, whole: stretch.whole && index === 0, done: index === count - 1 };
}

/** Up to where everything was received with an entry and all before it. */
export function reached({ done, from, to }: Stretch): EventsPlace | undefined {
  return done ? to : from;
}

/** From where on everything will be received with an entry and all after it. */
export function resumed({ whole, from, to }: Stretch): EventsPlace | undefined {
  return whole ? from : to;
}

/** Whether nothing is missing between the entries up to one and those from the next one on, though others were lost. */
export function follows(next: Stretch, last: Stretch | undefined): boolean {
  if (!next.whole || next.origin !== last?.origin) return false;
  const [end, start] = [reached(last), resumed(next)];
  return end !== undefined && start !== undefined && comparePositions(start, end) <= 0;
}

/** What an entry says of itself. One that somebody else has written covers nothing that is known. */
export function readStretch(text: string | undefined): Stretch {
  try {
    const { origin, from, to, whole, done } = JSON.parse(text ?? '') as Stretch;
    return { origin, from, to, whole, done };
  } catch {
    return { origin: '', from: undefined, to: undefined, whole: false, done: true };
  }
}

function placeOf({ file, offset }: BinlogPlace, gtid?: string): EventsPlace {
  return { file, offset, ...(gtid === undefined ? {} : { gtid }) };
}
