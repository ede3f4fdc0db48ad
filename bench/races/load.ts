import { setTimeout as sleep } from 'node:timers/promises';
import type { Item } from './items';
import { Items } from './items';
import type { PlannedRead, PlannedWrite } from './load-plan';
import { LoadPlan, SLOW_LOAD_MILLIS } from './load-plan';
import type { LoadShape } from './options';
import { ReadCounts } from './read-counts';
import { Truth } from './truth';
import { Turns } from './turns';
import type { Way } from './ways/way';

export const READERS = 64;
export const WRITERS = 32;
/** Writes that may be due and not begun: the readers wait for the writers beyond it. */
const MOST_WRITES_DUE = 64;

/** Drives one way of caching through the whole plan. */
export class Load {
  readonly counts: ReadCounts;
  writes = 0;
  private readonly plan: LoadPlan;
  private readonly truth: Truth;
  private readonly turns = new Turns(MOST_WRITES_DUE);
  private started = 0;
  private readsBegun = 0;
  private turnsGiven = 0;
  private failed = false;

  constructor(
    private readonly shape: LoadShape,
    private readonly items: Items,
    private readonly way: Way,
  ) {
    this.plan = new LoadPlan(shape);
    this.truth = new Truth(shape.keys);
    this.counts = new ReadCounts(shape.reads);
  }

  /** Resolves when the last reader and the last writer are done. */
  async run(): Promise<void> {
    this.started = performance.now();
    const readers = Array.from({ length: READERS }, () => this.guard(() => this.readOn()));
    const writers = Array.from({ length: WRITERS }, () => this.guard(() => this.writeOn()));
    const reading = Promise.allSettled(readers).then(() => this.turns.end());
    await Promise.allSettled([reading, ...writers]);
    // All have stopped; the first failure is this run's.
    await Promise.all([...readers, ...writers]);
  }

  /** One worker's failure stops the others. */
  private async guard(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.failed = true;
      this.turns.end();
      throw error;
    }
  }

  private async readOn(): Promise<void> {
    while (this.readsBegun < this.plan.reads && !this.failed) {
      const due = this.shape.rate > 0 ? this.started + (this.readsBegun * 1_000) / this.shape.rate : 0;
      this.readsBegun++;
      const wait = due - performance.now();
      if (wait >= 1) await sleep(wait);
      const planned = this.plan.takeRead();
      while (this.turnsGiven < this.plan.writesDue) {
        this.turnsGiven++;
        await this.turns.give();
      }
      await this.read(planned);
    }
  }

  private async writeOn(): Promise<void> {
    while ((await this.turns.take()) && !this.failed) {
      const planned = this.plan.takeWrite();
      if (planned.race) await this.race(planned.id, planned.race);
      else await this.write(planned.id);
    }
  }

  private async race(id: number, race: NonNullable<PlannedWrite['race']>): Promise<void> {
    await Promise.all([
      sleep(race.writeAfterMillis).then(() => this.write(id)),
      ...race.reads.map(({ afterMillis, read }) => sleep(afterMillis).then(() => this.read(read))),
    ]);
  }

  private async write(id: number): Promise<void> {
    await this.way.write(Items.keyOf(id), async () => {
      const version = await this.items.write(id);
      this.truth.committed(id, version);
    });
    this.writes++;
  }

  private async read({ id, pauseMillis }: PlannedRead): Promise<void> {
    const floor = this.truth.floor(id);
    const begun = performance.now();
    const { version } = await this.way.read(Items.keyOf(id), () => this.load(id, pauseMillis));
    this.counts.add(version, floor, performance.now() - begun);
  }

  /** What the application would do to get a row, and all that it does with it before it hands it over. */
  private async load(id: number, pauseMillis: number): Promise<Item> {
    this.counts.loads++;
    const millis = this.plan.isSlowLoad() ? pauseMillis + SLOW_LOAD_MILLIS : pauseMillis;
    const item = await this.items.load(id);
    if (millis > 0) await sleep(millis);
    return item;
  }
}
