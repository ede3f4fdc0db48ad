import type { BinlogPlace } from '../change/position';
import { formatPosition } from '../change/position';
import { CacheflowError } from './cacheflow.error';

/** A place in the binlog, for errors about the changes that every process receives. */
export interface EventsPlace extends BinlogPlace {
  /** The GTID of the last transaction before the place, if it is known. */
  readonly gtid?: string;
}

/** The changes that a process did not receive. */
export interface MissedEvents {
  /** Everything up to this place was received. Undefined if the process had received nothing yet. */
  readonly from: EventsPlace | undefined;
  /** From this place on, everything is received again. Undefined if it is unknown: the next change is received. */
  readonly to: EventsPlace | undefined;
  /** `schema.table`, `schema.*` for a whole database, or undefined for any watched table. */
  readonly table: string | undefined;
}

/**
 * This process did not receive some changes that `events: { delivery: 'everywhere' }` or `everywhere: true` promises. Drop
 * what the process keeps in its memory of the tables.
 */
export class EventsMissedError extends CacheflowError {
  readonly code = 'CACHEFLOW_EVENTS_MISSED';

  constructor(
    reason: string,
    /** What was missed. */
    readonly missed: MissedEvents,
    options?: { cause?: unknown },
  ) {
    const { from, to, table } = missed;
    const range = `from ${from ? formatPosition(from) : 'the start'} to ${to ? formatPosition(to) : 'the next event'}`;
    super(
      `This process missed changes of ${table ?? 'the watched tables'} (${range}): ${reason}. ` +
        'Drop what the process keeps of them in its memory',
      options,
    );
  }
}
