import type { RowChange } from '../change/stream';

/** What a batch does in the end to a key whose version is kept. */
export interface VersionedPlan {
  readonly key: string;
  /** The change that decided it. */
  readonly change: RowChange;
  /**
   * - `tombstone`: remove it and leave the version, so that no older change can write it again
   * - `write`: set it to the row after the change
   */
  readonly action: 'tombstone' | 'write';
  /** Of the written value. */
  readonly ttlSeconds: number | undefined;
}

/** What a batch does to Redis in the end: for each key, the last thing that happened to it. */
export class WritePlan {
  private readonly removed = new Map<string, RowChange>();
  private readonly kept = new Map<string, VersionedPlan>();

  /** The next reader loads the key anew. */
  remove(key: string, change: RowChange): void {
    if (this.kept.size > 0) this.kept.delete(key);
    this.removed.set(key, change);
  }

  set(plan: VersionedPlan): void {
    if (this.removed.size > 0) this.removed.delete(plan.key);
    this.kept.set(plan.key, plan);
  }

  /** The keys to remove, whatever they hold. */
  get removals(): Iterable<string> {
    return this.removed.keys();
  }

  get versioned(): Iterable<VersionedPlan> {
    return this.kept.values();
  }

  /** The change that decided what becomes of a key. */
  changeOf(key: string): RowChange | undefined {
    return this.removed.get(key) ?? this.kept.get(key)?.change;
  }
}
