import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Writes that a killed server may keep in the table and not in the binlog, or the other way round, so that nobody
 * could tell what is right. They are done while nobody kills it.
 */
export class FragileWrites {
  private underWay = 0;
  private forbidden = 0;

  get allowed(): boolean {
    return this.forbidden === 0;
  }

  /** Undefined where it is not allowed now. */
  async run<T>(write: () => Promise<T>): Promise<T | undefined> {
    if (!this.allowed) return undefined;
    this.underWay++;
    try {
      return await write();
    } finally {
      this.underWay--;
    }
  }

  /** Does this while no such write is under way. */
  async without(work: () => Promise<void>): Promise<void> {
    this.forbidden++;
    try {
      while (this.underWay > 0) await sleep(2);
      await work();
    } finally {
      this.forbidden--;
    }
  }
}
