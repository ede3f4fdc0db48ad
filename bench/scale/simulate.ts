import { Random } from '../../test/promises/chaos/random';
import { quantile } from '../quantile';

/** Rows of a batch at most, as in lib/pipeline/change-pipeline.ts. */
const BATCH_ROWS = 2_000;
const CHANGES = 300_000;
const SEED = 1;

/** How long changes wait at one load. */
export interface Latencies {
  /** Share of what the leader can do. */
  readonly load: number;
  readonly p50: number;
  readonly p99: number;
  readonly meanBatch: number;
}

/**
 * The one loop of the pipeline, with changes that come at random (a Poisson process): a batch is whatever has queued
 * while the one before was applied, and takes `fixedMillis`, and `millisPerChange` for each change.
 */
export function simulate(
  load: number,
  { fixedMillis, millisPerChange }: { readonly fixedMillis: number; readonly millisPerChange: number },
): Latencies {
  const random = new Random(SEED);
  const gap = millisPerChange / load;
  const arrivals: number[] = [];
  let at = 0;
  for (let change = 0; change < CHANGES; change++) {
    at -= gap * Math.log(1 - random.next());
    arrivals.push(at);
  }
  const waits: number[] = [];
  let batches = 0;
  let now = 0;
  for (let next = 0; next < CHANGES; batches++) {
    now = Math.max(now, arrivals[next]!);
    const first = next;
    while (next < CHANGES && next - first < BATCH_ROWS && arrivals[next]! <= now) next++;
    now += fixedMillis + millisPerChange * (next - first);
    for (let change = first; change < next; change++) waits.push(now - arrivals[change]!);
  }
  return { load, p50: quantile(waits, 0.5), p99: quantile(waits, 0.99), meanBatch: CHANGES / batches };
}

/** How long it takes to work through what an outage has left, while changes go on at that load. */
export function secondsToCatchUp(outageSeconds: number, load: number): number {
  return (outageSeconds * load) / (1 - load);
}
