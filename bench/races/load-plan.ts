import { Random } from '../../test/promises/chaos/random';
import type { LoadShape } from './options';
import { RACE_READS } from './options';

/** The write of a raced key and its readers all begin within this time. */
export const RACE_MILLIS = 40;
/** The longest pause of a loader between what it read and its return. */
export const PAUSE_MILLIS = 6;
/** How many of the loads pause. */
export const PAUSE_SHARE = 0.5;
export const SLOW_LOAD_MILLIS = 1_000;
/** How many of the reads outside of the races go to the hot keys; the rest go to keys that were raced before. */
export const HOT_READ_SHARE = 0.5;
/** The latest races may not be over yet, and a race begins with a key that is not cached. */
const LATEST_RACES = 200;

export interface PlannedRead {
  readonly id: number;
  /** How long the loader pauses, should this read have to load. */
  readonly pauseMillis: number;
}

export interface PlannedWrite {
  readonly id: number;
  /** Where the key is raced: when everything begins, counted from the start of the race. */
  readonly race?: {
    readonly writeAfterMillis: number;
    readonly reads: readonly { readonly afterMillis: number; readonly read: PlannedRead }[];
  };
}

/**
 * All reads and writes, in the order in which they begin. Nothing depends on how fast anything was, so that each way
 * gets the same ones.
 */
export class LoadPlan {
  readonly reads: number;
  readonly writes: number;
  private readonly readRandom: Random;
  private readonly writeRandom: Random;
  /** The id that each write goes to. */
  private readonly targets: Int32Array;
  /** The races among the writes before each. */
  private readonly racesBefore: Int32Array;
  private nextRead = 0;
  private nextWrite = 0;
  private loads = 0;

  constructor(private readonly shape: LoadShape) {
    const { hotKeys, keys } = shape;
    const random = new Random(shape.seed);
    const races = keys - hotKeys;
    this.reads = shape.reads - races * RACE_READS;
    this.writes = shape.writes;
    this.targets = new Int32Array(shape.writes);
    this.racesBefore = new Int32Array(shape.writes + 1);
    let raced = 0;
    for (let write = 0; write < shape.writes; write++) {
      const isRace = random.chance((races - raced) / (shape.writes - write));
      this.racesBefore[write] = raced;
      this.targets[write] = isRace ? hotKeys + ++raced : random.int(1, hotKeys);
    }
    this.racesBefore[shape.writes] = raced;
    this.readRandom = random.fork();
    this.writeRandom = random.fork();
  }

  /** How many writes belong before the read that is next. */
  get writesDue(): number {
    return Math.floor((this.nextRead / this.reads) * this.writes);
  }

  /** The next read outside of the races. */
  takeRead(): PlannedRead {
    const settled = Math.max(0, this.racesBefore[this.writesDue]! - LATEST_RACES);
    this.nextRead++;
    const random = this.readRandom;
    const hot = random.chance(HOT_READ_SHARE) || settled === 0;
    const { hotKeys } = this.shape;
    return this.read(hot ? random.int(1, hotKeys) : hotKeys + random.int(1, settled), random);
  }

  takeWrite(): PlannedWrite {
    const id = this.targets[this.nextWrite++]!;
    if (id <= this.shape.hotKeys) return { id };
    const random = this.writeRandom;
    const reads = Array.from({ length: RACE_READS }, () => ({
      afterMillis: random.next() * RACE_MILLIS,
      read: this.read(id, random),
    }));
    return { id, race: { writeAfterMillis: random.next() * RACE_MILLIS, reads } };
  }

  private read(id: number, random: Random): PlannedRead {
    const pauses = random.chance(PAUSE_SHARE);
    const pauseMillis = pauses ? random.next() * PAUSE_MILLIS : 0;
    return { id, pauseMillis };
  }

  /** True for one load in `slowEvery`, counted as they come. */
  isSlowLoad(): boolean {
    return this.shape.slowEvery > 0 && ++this.loads % this.shape.slowEvery === 0;
  }
}
