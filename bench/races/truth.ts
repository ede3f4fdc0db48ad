/** A read is given this long after a commit before it counts as late. */
export const FAIR_MILLIS = 100;

interface Commit {
  readonly version: number;
  readonly at: number;
}

/** What a read that begins now must not fall behind. */
export interface Floor {
  /** The highest version whose commit has returned to its writer. */
  readonly now: number;
  /** The same, of the commits that returned more than `FAIR_MILLIS` ago. */
  readonly fair: number;
}

/** The versions that the writers know to be committed. */
export class Truth {
  private readonly now: Int32Array;
  private readonly fair: Int32Array;
  /** Commits that are not `FAIR_MILLIS` old yet, by id, in the order of their returns. */
  private readonly recent = new Map<number, Commit[]>();

  /** Every row begins with version 1. */
  constructor(keys: number) {
    this.now = new Int32Array(keys + 1).fill(1);
    this.fair = new Int32Array(keys + 1).fill(1);
  }

  /** To be called as soon as the commit has returned. */
  committed(id: number, version: number): void {
    this.now[id] = Math.max(this.now[id]!, version);
    const commit = { version, at: performance.now() };
    const recent = this.recent.get(id);
    if (recent) recent.push(commit);
    else this.recent.set(id, [commit]);
  }

  floor(id: number): Floor {
    const recent = this.recent.get(id);
    if (recent) this.age(id, recent);
    return { now: this.now[id]!, fair: this.fair[id]! };
  }

  private age(id: number, recent: Commit[]): void {
    const before = performance.now() - FAIR_MILLIS;
    while (recent[0] && recent[0].at < before) {
      this.fair[id] = Math.max(this.fair[id]!, recent[0].version);
      recent.shift();
    }
    if (recent.length === 0) this.recent.delete(id);
  }
}
