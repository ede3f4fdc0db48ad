import type { RowChange } from '../pipeline/stream';

/** What a batch does to one key in the end. */
export interface PlannedWrite {
  readonly key: string;
  /** The change that decided it. */
  readonly change: RowChange;
  /**
   * - `remove`: the next reader loads it anew
   * - `bury`: remove it and leave the version, so that no older change can write it again
   * - `write`: set it to the row after the change
   */
  readonly action: 'remove' | 'bury' | 'write';
  /** Of the written value. */
  readonly ttlSeconds: number | undefined;
}

/** What a batch does to Redis in the end: for each key, the last thing that happened to it. */
export class WritePlan {
  private readonly writes = new Map<string, PlannedWrite>();

  set(write: PlannedWrite): void {
    this.writes.set(write.key, write);
  }

  get(key: string): PlannedWrite | undefined {
    return this.writes.get(key);
  }

  [Symbol.iterator](): Iterator<PlannedWrite> {
    return this.writes.values();
  }
}
