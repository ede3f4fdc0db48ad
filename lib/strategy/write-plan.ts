import type { RowChange } from '../pipeline/stream';

/** A value that a key shall have; its JSON is made only once it is known to be the last one. */
export interface PlannedValue {
  readonly change: RowChange;
  readonly ttlSeconds: number | undefined;
}

/** What a batch does to Redis in the end: for each key, the last thing that happened to it. */
export class WritePlan {
  private readonly keys = new Map<string, { change: RowChange; value: PlannedValue | undefined }>();

  remove(key: string, change: RowChange): void {
    this.keys.set(key, { change, value: undefined });
  }

  write(key: string, change: RowChange, ttlSeconds: number | undefined): void {
    this.keys.set(key, { change, value: { change, ttlSeconds } });
  }

  /** The change that decided what happens to a key. */
  changeOf(key: string): RowChange | undefined {
    return this.keys.get(key)?.change;
  }

  removes(key: string): boolean {
    const entry = this.keys.get(key);
    return entry !== undefined && entry.value === undefined;
  }

  get removals(): string[] {
    return [...this.keys].flatMap(([key, entry]) => (entry.value ? [] : [key]));
  }

  get writes(): { key: string; value: PlannedValue }[] {
    return [...this.keys].flatMap(([key, { value }]) => (value ? [{ key, value }] : []));
  }
}
