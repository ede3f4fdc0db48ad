import type { CommitPlace, Epoch } from './commit-order';
import { commitPlace, comparePlaces } from './commit-order';
import type { HandlerCall } from './told-events';

const SHOWN_BEFORE = 6;
const SHOWN_AFTER = 2;

/** A call that came before its turn, or after it. */
export interface OrderFinding {
  readonly row: string;
  /** The calls around it, in the order in which they began. */
  readonly calls: readonly string[];
}

/**
 * Looks at the calls of each row in the order in which they began, over all processes. A replay may go back to any
 * change, but has to go on from there: a call is about the change that follows the one before it, or an earlier one. The
 * last one is about the last change.
 *
 * @param isDistributed a change of a key is in order with those of the old one only
 */
export function findOutOfOrder(
  calls: readonly HandlerCall[],
  epochs: readonly Epoch[],
  isDistributed: boolean,
): OrderFinding[] {
  const places = placesOf(calls, epochs);
  const findings: OrderFinding[] = [];
  for (const [row, ofRow] of callsByRow(calls, isDistributed ? 1 : 2)) {
    const changes = [...new Set(ofRow.map(({ identity }) => identity))].sort((a, b) =>
      comparePlaces(places.get(a)!, places.get(b)!),
    );
    const ranks = new Map(changes.map((identity, rank) => [identity, rank]));
    let before = -1;
    for (const [at, { identity }] of ofRow.entries()) {
      const rank = ranks.get(identity)!;
      if (rank > before + 1) findings.push(finding(row, ofRow, at, ranks));
      before = rank;
    }
    if (before < changes.length - 1) findings.push(finding(row, ofRow, ofRow.length - 1, ranks));
  }
  return findings;
}

function placesOf(calls: readonly HandlerCall[], epochs: readonly Epoch[]): Map<string, CommitPlace> {
  const places = new Map<string, CommitPlace>();
  for (const { identity, gtid, row } of calls)
    if (!places.has(identity)) places.set(identity, commitPlace(gtid, row, epochs));
  return places;
}

function callsByRow(calls: readonly HandlerCall[], rowsOfOne: number): Map<string, HandlerCall[]> {
  const byRow = new Map<string, HandlerCall[]>();
  for (const call of [...calls].sort((a, b) => a.begunAt - b.begunAt)) {
    for (const row of call.rows.slice(0, rowsOfOne)) {
      const ofRow = byRow.get(row);
      if (ofRow) ofRow.push(call);
      else byRow.set(row, [call]);
    }
  }
  return byRow;
}

function finding(
  row: string,
  calls: readonly HandlerCall[],
  at: number,
  ranks: ReadonlyMap<string, number>,
): OrderFinding {
  const shown = calls.slice(Math.max(0, at - SHOWN_BEFORE), at + 1 + SHOWN_AFTER);
  const from = shown[0]?.begunAt ?? 0;
  return {
    row,
    calls: shown.map(({ identity, begunAt, by, gtid }) => {
      const mark = identity === calls[at]?.identity && begunAt === calls[at]?.begunAt ? '>' : ' ';
      const millis = ((begunAt - from) / 1_000).toFixed(3);
      return `${mark} +${millis} ms  #${ranks.get(identity)} ${identity} (${gtid}) in ${by}`;
    }),
  };
}
