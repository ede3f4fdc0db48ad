import type { Epoch } from './commit-order';
import type { OrderFinding } from './order-findings';
import { findOutOfOrder } from './order-findings';
import type { ToldEvents } from './told-events';

/** What was committed. */
export interface CommittedChanges {
  /** How many rows each change wrote. */
  readonly written: ReadonlyMap<number, number>;
  /** Deletions as the app writes them down, with the change that deleted the row. */
  readonly deleted: ReadonlyMap<string, number>;
}

/** How the events differ from what was committed. */
export interface EventFindings {
  /** Committed row changes. */
  readonly changes: number;
  /** Calls of the handler, and those among them for a change that it had been told of before. */
  readonly told: number;
  readonly duplicates: number;
  /** Committed changes of which no handler was told. */
  readonly lost: number;
  /** Changes that a handler was told of and that never committed. */
  readonly phantom: number;
  /** Both, by the kind of writer. A deletion that never committed is told by who made the row. */
  readonly lostOf: Readonly<Record<string, number>>;
  readonly phantomOf: Readonly<Record<string, number>>;
  /** How many events there were of what is no table, by its name. */
  readonly ofNothing: Readonly<Record<string, number>>;
  /** Calls for one row that were not in the order of the commits. */
  readonly outOfOrder: readonly OrderFinding[];
}

/** Events may come more than once, but not too few, none of nothing, and those of one row in order. */
export function compareEvents(
  told: ToldEvents,
  committed: CommittedChanges,
  makerOf: (changeId: number) => string,
  { epochs, isDistributed }: { readonly epochs: readonly Epoch[]; readonly isDistributed: boolean },
): EventFindings {
  const lost = new Tally();
  const phantom = new Tally();
  let changes = committed.deleted.size;
  for (const [id, count] of committed.written) {
    changes += count;
    lost.add(makerOf(id), count - (told.written.get(id)?.size ?? 0));
  }
  for (const [id, rows] of told.written)
    phantom.add(makerOf(id), rows.size - (committed.written.get(id) ?? 0));
  const unexplained = new Set(told.deleted);
  for (const [line, id] of committed.deleted) if (!unexplained.delete(line)) lost.add(makerOf(id), 1);
  for (const line of unexplained) phantom.add(`deletion of a row by ${makerOf(changeOf(line))}`, 1);
  const { calls } = told;
  return {
    changes,
    told: calls.length,
    duplicates: calls.length - new Set(calls.map(({ identity }) => identity)).size,
    outOfOrder: findOutOfOrder(calls, epochs, isDistributed),
    lost: lost.sum,
    phantom: phantom.sum,
    lostOf: lost.counts,
    phantomOf: phantom.counts,
    ofNothing: told.ofNothing,
  };
}

/** From `d <table> <change> <primary key>`. */
function changeOf(line: string): number {
  return Number(line.split(' ')[2]);
}

class Tally {
  readonly counts: Record<string, number> = {};
  sum = 0;

  add(name: string, count: number): void {
    if (count <= 0) return;
    this.sum += count;
    this.counts[name] = (this.counts[name] ?? 0) + count;
  }
}
