import type { Random } from './random';
import { Readers } from './readers';
import type { World } from './world';
import { Writers } from './writers';
import type { WriteName } from './writes';

const READERS = 8;
/** Row changes a second that the writers aim at. */
const RATE = 1_500;

export interface LoadPlan {
  readonly random: Random;
  readonly writers: number;
  readonly truncate: boolean;
  /** What is written besides plain transactions; nothing, unless given. */
  readonly writes?: readonly WriteName[];
}

/** Writers and the readers that race them. */
export class Load {
  readonly writers: Writers;
  readonly readers: Readers;

  constructor({ sql, redis, journal }: World, { random, writers, truncate, writes = [] }: LoadPlan) {
    this.writers = new Writers({
      server: sql,
      journal,
      random: random.fork(),
      writers,
      rate: RATE,
      truncate,
      writes,
    });
    this.readers = new Readers({
      sql,
      redis,
      journal,
      random: random.fork(),
      readers: READERS,
      window: () => this.writers.window,
    });
  }

  start(): void {
    this.writers.start();
    this.readers.start();
  }

  resume(): void {
    this.writers.resume();
    this.readers.resume();
  }

  /** Ends it and closes its connections; rejects with what a worker did not expect. Harmless when repeated. */
  async stop(): Promise<void> {
    await Promise.all([this.writers.stop(), this.readers.stop()]);
  }
}
