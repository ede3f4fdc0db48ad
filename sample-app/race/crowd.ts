import { setTimeout as pause } from 'node:timers/promises';

/** Over this time the crowds are spread, each at a moment of its own. */
const SPAN_MILLIS = 1_200;
/** Within this time all of one crowd come, in any order. */
const CROWD_MILLIS = 40;
const READERS = 5;

/** What those do who come to one row. */
export interface Crowd {
  read(): Promise<void>;
  change(): Promise<void>;
}

/**
 * Sends to each row its crowd: some readers, and one writer in the midst of them. Nobody is left behind when it ends,
 * also by a failure or the signal.
 *
 * @returns how many reads and writes there were
 */
export async function sendCrowds(
  crowds: readonly Crowd[],
  signal: AbortSignal,
): Promise<{ reads: number; writes: number }> {
  const arrivals = crowds.flatMap((crowd) => {
    const begin = Math.random() * SPAN_MILLIS;
    const come = (act: () => Promise<void>) => ({ at: begin + Math.random() * CROWD_MILLIS, act });
    const readers = Array.from({ length: READERS }, () => come(() => crowd.read()));
    return [...readers, come(() => crowd.change())];
  });
  const failures: unknown[] = [];
  const acting: Promise<void>[] = [];
  const start = performance.now();
  for (const { at, act } of arrivals.sort((a, b) => a.at - b.at)) {
    const early = start + at - performance.now();
    if (early > 0) await pause(early);
    if (failures.length > 0 || signal.aborted) break;
    acting.push(
      act().catch((error: unknown) => {
        failures.push(error);
      }),
    );
  }
  await Promise.all(acting);
  if (failures.length > 0) throw failures[0];
  signal.throwIfAborted();
  return { reads: crowds.length * READERS, writes: crowds.length };
}
