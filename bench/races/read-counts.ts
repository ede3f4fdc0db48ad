import type { Floor } from './truth';

/** What the readers saw. */
export class ReadCounts {
  reads = 0;
  /** Reads whose loader was called. */
  loads = 0;
  /** Older than a commit that had returned before the read began. */
  staleAtOnce = 0;
  /** The same, of commits that had returned long before. */
  staleLate = 0;
  private readonly latencies: Float64Array;

  constructor(reads: number) {
    this.latencies = new Float64Array(reads);
  }

  add(version: number, floor: Floor, millis: number): void {
    this.latencies[this.reads++] = millis;
    if (version < floor.now) this.staleAtOnce++;
    if (version < floor.fair) this.staleLate++;
  }

  /** Milliseconds that the given shares of the reads did not exceed. */
  latencyAt(...shares: number[]): number[] {
    const sorted = this.latencies.subarray(0, this.reads).sort();
    return shares.map((share) => sorted[Math.min(this.reads - 1, Math.floor(this.reads * share))] ?? NaN);
  }
}
