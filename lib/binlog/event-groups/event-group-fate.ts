import { isRowsEvent } from '../../decode/rows-decoder';
import type { EventHeader } from '../../decode/event-header';
import { EventType } from '../../decode/event-header';
import { readEventGroupStatement } from '../statements/event-group-statement';
import { readQuery } from '../statements/query-event';
import { Savepoints } from './savepoints';
import type { Xid } from '../statements/xid';
import { readXaPrepare } from '../statements/xid';

/** How an event group ends, known before its rows are given out. */
export interface EventGroupFate {
  /** `unfinished`: the server was killed while it wrote the event group, which therefore never happened. */
  readonly end: 'committed' | 'rolled-back' | 'prepared' | 'unfinished';
  /** Of an XA transaction. */
  readonly xid: Xid | undefined;
  /** Whether a row event, by its number in the event group, was undone by ROLLBACK TO. */
  isUndone(rowEvent: number): boolean;
  /** The row events before this one may have been undone: they belong to a ROLLBACK TO nobody knows where to. */
  readonly unclearBefore: number;
}

/** Of an event group of which nobody could look how it ends. */
export const ASSUMED_COMMITTED: EventGroupFate = {
  end: 'committed',
  xid: undefined,
  isUndone: () => false,
  unclearBefore: 0,
};

/** Goes over the events of one group, from its first one on, and says in the end what became of it. */
export class FateScan {
  private begun = false;
  private rowEvents = 0;
  private readonly savepoints = new Savepoints<number>();
  /** Stretches of row events that were undone, in order: [first, behind the last]. */
  private readonly undone: [number, number][] = [];
  private unclearBefore = 0;

  /** The fate, with the event that decides it; undefined until then. */
  see(buffer: Buffer, header: EventHeader): EventGroupFate | undefined {
    const { type } = header;
    if (isRowsEvent(type)) {
      this.begun = true;
      this.rowEvents++;
      return undefined;
    }
    switch (type) {
      case EventType.GTID:
      case EventType.GTID_TAGGED:
      case EventType.ANONYMOUS_GTID:
      case EventType.MARIADB_GTID:
        if (this.begun) return this.fate('unfinished');
        this.begun = true;
        return undefined;
      case EventType.ROTATE:
      case EventType.FORMAT_DESCRIPTION:
        // An event group never goes on in another file. Before it, the file introduces itself.
        return this.begun ? this.fate('unfinished') : undefined;
      case EventType.XID:
        return this.fate('committed');
      case EventType.XA_PREPARE: {
        const { onePhase, xid } = readXaPrepare(buffer, header.bodyStart);
        return this.fate(onePhase ? 'committed' : 'prepared', xid);
      }
      case EventType.QUERY:
      case EventType.MARIADB_QUERY_COMPRESSED:
        return this.onQuery(readQuery(buffer, header, type !== EventType.QUERY).text);
      default:
        return undefined;
    }
  }

  private onQuery(text: string): EventGroupFate | undefined {
    this.begun = true;
    const statement = readEventGroupStatement(text);
    switch (statement?.kind) {
      case 'commit':
        return this.fate('committed');
      case 'rollback':
        return this.fate('rolled-back');
      case 'savepoint':
        this.savepoints.set(statement.name, this.rowEvents);
        return undefined;
      case 'rollback-to':
        this.undo(this.savepoints.rollbackTo(statement.name));
        return undefined;
      default:
        return undefined;
    }
  }

  private undo(first: number | undefined): void {
    if (first === undefined) {
      this.unclearBefore = this.rowEvents;
      return;
    }
    while ((this.undone.at(-1)?.[0] ?? -1) >= first) this.undone.pop();
    const last = this.undone.at(-1);
    if (last && last[1] >= first) last[1] = this.rowEvents;
    else if (first < this.rowEvents) this.undone.push([first, this.rowEvents]);
  }

  private fate(end: EventGroupFate['end'], xid?: Xid): EventGroupFate {
    const { undone, unclearBefore } = this;
    /** Row events are asked for in order, so that the stretches are gone through once. */
    let at = 0;
    const isUndone = (rowEvent: number): boolean => {
      if ((undone[at - 1]?.[1] ?? 0) > rowEvent) at = 0;
      while ((undone[at]?.[1] ?? Infinity) <= rowEvent) at++;
      return rowEvent >= (undone[at]?.[0] ?? Infinity);
    };
    return { end, xid, isUndone, unclearBefore };
  }
}
