import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, Redis } from 'ioredis';
import type { SqlServer } from '../../support/servers';
import type { CacheReader } from '../../../lib/cache/cache-reader';
import type { CacheStatus } from '../../../lib';
import { Crew } from './crew';
import type { Journal } from './journal';
import { leasedReader } from './leased-reader';
import type { Random } from './random';
import type { ChaosRedis } from './redis';
import { SqlSession } from './sql-session';
import type { ChaosTable } from './tables';
import { TABLES, tableNamed } from './tables';

/** Reads of one hot row in a row. */
const CHASE_READS = 12;

export interface ReaderPlan {
  readonly sql: SqlServer;
  readonly redis: ChaosRedis;
  readonly journal: Journal;
  readonly random: Random;
  readonly readers: number;
  /** The rows that are being changed. */
  window(): { first: number; size: number };
}

/** Readers of the library, whose loaders pause at random before they return. */
export class Readers {
  private readonly crew: Crew;
  private readonly redis: Redis | Cluster;
  private readonly sessions: SqlSession[];
  private readonly randoms: Random[];
  private readonly reader: CacheReader;
  reads = 0;

  constructor(private readonly plan: ReaderPlan) {
    this.redis = plan.redis.connect();
    this.reader = leasedReader(this.redis);
    this.sessions = Array.from({ length: plan.readers }, () => new SqlSession(plan.sql));
    this.randoms = this.sessions.map(() => plan.random.fork());
    this.crew = new Crew(plan.readers, (worker) => this.step(worker));
  }

  get status(): CacheStatus {
    return this.reader.status;
  }

  start(): void {
    this.crew.start();
  }

  async pause(): Promise<void> {
    await this.crew.pause();
  }

  resume(): void {
    this.crew.resume();
  }

  async stop(): Promise<void> {
    await this.crew.stop();
    this.redis.disconnect();
    for (const session of this.sessions) session.close();
  }

  private async step(worker: number): Promise<void> {
    const [session, random] = [this.sessions[worker]!, this.randoms[worker]!];
    const hot = this.plan.journal.hotRows;
    try {
      if (hot.length > 0 && random.chance(0.6)) {
        const { table, n } = random.pick(hot);
        const target = tableNamed(table).read(n, random);
        for (let read = 0; read < CHASE_READS; read++) {
          if (await this.read(tableNamed(table), target, session, random)) await sleep(1);
        }
        return;
      }
      const { first, size } = this.plan.window();
      const table = random.pick(TABLES);
      // Some of the rows that have just left the window, so that their last state is cached.
      const n = Math.max(1, first + random.int(-size / 2, size - 1));
      await this.read(table, table.read(n, random), session, random);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      session.close();
      await sleep(50);
    }
    await sleep(random.int(0, 2));
  }

  /** True for a hit. */
  private async read(
    table: ChaosTable,
    { key, where }: { key: string; where: string },
    session: SqlSession,
    random: Random,
  ): Promise<boolean> {
    this.reads++;
    let isHit = true;
    const load = async (): Promise<unknown> => {
      isHit = false;
      const [row] = await session.query(`SELECT * FROM ${table.name} WHERE ${where}`);
      const seq = row ? String(row['seq']) : 'none';
      await sleep(random.int(0, 5));
      this.plan.journal.note(key, [], `loaded with seq ${seq}`);
      return row ?? null;
    };
    const { ttlSeconds } = table;
    await this.reader.getOrLoad(
      key,
      load,
      ttlSeconds === undefined ? { ttlSeconds: Infinity } : { ttlSeconds },
    );
    return isHit;
  }
}
