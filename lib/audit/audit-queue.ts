import type { ChangePosition } from '../change/position';
import type { TableName } from '../change/table-name';
import type { WantedKey } from '../rows/row-finder';

/** A change that is to be looked at again. */
export interface AuditedChange {
  readonly table: TableName;
  readonly keys: readonly WantedKey[];
  readonly position: ChangePosition;
  /** When its batch was applied, in milliseconds of `performance.now()`. */
  readonly appliedAt: number;
}

/** Checks that are due together. */
export interface DueChecks {
  /** Number of the horizon. */
  readonly horizon: number;
  readonly changes: readonly AuditedChange[];
}

/** Keeps changes until it is time for their checks, the earliest horizon first. Each change is in it once. */
export class AuditQueue {
  private readonly waiting: AuditedChange[][];
  /** Changes that wait. */
  size = 0;

  /** @param horizonsMillis ascending */
  constructor(private readonly horizonsMillis: readonly number[]) {
    this.waiting = horizonsMillis.map(() => []);
  }

  /** Waits for the horizon of this number; without such a one the change is done with. */
  add(change: AuditedChange, horizon: number): void {
    const queue = this.waiting[horizon];
    if (!queue) return;
    queue.push(change);
    this.size++;
  }

  /** Up to so many changes of one horizon whose time has come; undefined where there are none. */
  takeDue(now: number, limit: number): DueChecks | undefined {
    for (const [horizon, queue] of this.waiting.entries()) {
      let count = 0;
      while (count < limit && this.dueAt(horizon, queue[count]) <= now) count++;
      if (count === 0) continue;
      this.size -= count;
      return { horizon, changes: queue.splice(0, count) };
    }
    return undefined;
  }

  /** Drops all that waits, and tells how many changes it was. */
  clear(): number {
    const { size } = this;
    for (const queue of this.waiting) queue.length = 0;
    this.size = 0;
    return size;
  }

  /** Milliseconds until something is due; undefined while nothing waits. */
  millisLeft(now: number): number | undefined {
    const next = Math.min(...this.waiting.map((queue, horizon) => this.dueAt(horizon, queue[0])));
    return next === Infinity ? undefined : Math.max(0, next - now);
  }

  private dueAt(horizon: number, change: AuditedChange | undefined): number {
    return change ? change.appliedAt + (this.horizonsMillis[horizon] ?? 0) : Infinity;
  }
}
