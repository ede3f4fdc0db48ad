import { setTimeout as pause } from 'node:timers/promises';
import {
  ConflictException,
  Injectable,
  Logger,
  type OnModuleDestroy,
  ServiceUnavailableException,
} from '@nestjs/common';
import { Redis } from 'ioredis';
import { CacheflowService } from '../../lib';
import { sendCrowds } from './crowd';
import { type KeyState, type RacedRow, RacedRows } from './raced-rows.service';

const CACHE_SECONDS = 300;
/** A loader rests this long at most after its SELECT, as one does in a process that has other work. */
const REST_MILLIS = 25;

type Load = () => Promise<RacedRow | null>;
/** A way to read a row through the cache. */
type ReadThrough = (key: string, load: Load) => Promise<RacedRow | null>;

/** How one way of reading came out of the race. */
export interface RaceSide {
  reads: number;
  writes: number;
  /** Reads that asked the database. */
  loads: number;
  /** Loaded values that cacheflow did not let into the cache. */
  refusedFills: number;
  millis: number;
  stale: number;
  /** What each key came to, in the order of the rows. */
  keys: KeyState[];
}

export interface RaceResult {
  plain: RaceSide;
  leased: RaceSide;
}

/** Runs readers against a writer, once with get, load and set by hand, once with `getOrLoad`. */
@Injectable()
export class RaceService implements OnModuleDestroy {
  private readonly logger = new Logger(RaceService.name);
  private readonly closing = new AbortController();
  private running: Promise<RaceResult> | undefined;

  constructor(
    private readonly rows: RacedRows,
    private readonly redis: Redis,
    private readonly cacheflow: CacheflowService,
  ) {}

  /**
   * Takes a few seconds.
   *
   * @throws ConflictException while it is running, ServiceUnavailableException where a server does not do its part or
   * the service ends
   */
  async run(): Promise<RaceResult> {
    if (this.running) throw new ConflictException('The race is running; there is one at a time');
    this.running = this.runBoth();
    try {
      return await this.running;
    } catch (error) {
      if (this.closing.signal.aborted) throw new ServiceUnavailableException('The service ends');
      this.logger.error('The race was given up', error);
      const reason = error instanceof Error ? error.message : String(error);
      throw new ServiceUnavailableException(`The race was given up: ${reason}`, { cause: error });
    } finally {
      this.running = undefined;
    }
  }

  /** The race needs the database and Redis, which are closed later. */
  async onModuleDestroy(): Promise<void> {
    this.closing.abort();
    await this.running?.catch(() => undefined);
  }

  private async runBoth(): Promise<RaceResult> {
    try {
      const plain = await this.runSide((key, load) => this.readByHand(key, load));
      const leased = await this.runSide((key, load) =>
        this.cacheflow.getOrLoad(key, load, { ttlSeconds: CACHE_SECONDS }),
      );
      return { plain, leased };
    } finally {
      await this.rows.uncache();
    }
  }

  private async runSide(readThrough: ReadThrough): Promise<RaceSide> {
    await this.rows.reset();
    const refusedBefore = this.refusedFills;
    const start = performance.now();
    let loads = 0;
    const crowds = this.rows.ids.map((id) => ({
      read: async () => {
        await readThrough(this.rows.keyOf(id), async () => {
          loads++;
          const row = await this.rows.load(id);
          await pause(Math.random() * REST_MILLIS);
          return row;
        });
      },
      change: () => this.rows.change(id),
    }));
    const counts = await sendCrowds(crowds, this.closing.signal);
    const millis = Math.round(performance.now() - start);
    const keys = await this.rows.compare();
    const stale = keys.filter((state) => state === 'stale').length;
    return { ...counts, loads, refusedFills: this.refusedFills - refusedBefore, millis, stale, keys };
  }

  /** As it is written everywhere. A change between the load and the SET removes the key before the old value comes. */
  private async readByHand(key: string, load: Load): Promise<RacedRow | null> {
    const cached = await this.redis.get(key);
    if (cached !== null) return JSON.parse(cached) as RacedRow | null;
    const row = await load();
    await this.redis.set(key, JSON.stringify(row), 'EX', CACHE_SECONDS);
    return row;
  }

  private get refusedFills(): number {
    return this.cacheflow.status().cache.refusedFills;
  }
}
