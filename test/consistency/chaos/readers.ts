import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { RedisServer, SqlServer } from '../../support/servers';
import { cacheValue, PLACEHOLDER } from './cache-value';
import { Crew } from './crew';
import type { Journal } from './journal';
import type { Random } from './random';
import { SqlSession } from './sql-session';
import type { ChaosTable } from './tables';
import { TABLES } from './tables';

/** Reads of one hot row in a row. */
const CHASE_READS = 12;
const PLACEHOLDER_MILLIS = 10_000;

/** Puts the value where the reader's placeholder still stands; without a value, takes the placeholder away. */
const FILL = `
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
  if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
  else redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end
  return 1`;

export interface ReaderPlan {
  readonly sql: SqlServer;
  readonly redis: RedisServer;
  readonly journal: Journal;
  readonly random: Random;
  readonly readers: number;
  /** The rows that are being changed. */
  window(): { first: number; size: number };
}

/**
 * Correct cache-aside readers: a fill is refused when the key was invalidated after the row had been asked for. What
 * can still go wrong is an invalidation before the change can be read.
 */
export class Readers {
  private readonly crew: Crew;
  private readonly redis: Redis;
  private readonly sessions: SqlSession[];
  private readonly randoms: Random[];
  private lastToken = 0;
  reads = 0;
  fills = 0;
  refused = 0;

  constructor(private readonly plan: ReaderPlan) {
    this.redis = new Redis({
      port: plan.redis.port,
      maxRetriesPerRequest: null,
      retryStrategy: () => 100,
    });
    // The servers are taken away on purpose.
    this.redis.on('error', () => undefined);
    this.sessions = Array.from({ length: plan.readers }, () => new SqlSession(plan.sql));
    this.randoms = this.sessions.map(() => plan.random.fork());
    this.crew = new Crew(plan.readers, (worker) => this.step(worker));
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
        const target = tableOf(table).read(n, random);
        for (let read = 0; read < CHASE_READS; read++) {
          if (await this.read(tableOf(table), target, session, random)) await sleep(1);
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
    const cached = await this.redis.get(key);
    if (cached !== null) return true;
    const token = `${PLACEHOLDER}${++this.lastToken}`;
    if ((await this.redis.set(key, token, 'PX', PLACEHOLDER_MILLIS, 'NX')) === null) return true;
    const [row] = await session.query(`SELECT * FROM ${table.name} WHERE ${where}`);
    const loadedAt = performance.now();
    await sleep(random.int(0, 5));
    const ttl = table.ttlSeconds === undefined ? '' : String(table.ttlSeconds);
    const filled = await this.redis.eval(FILL, 1, key, token, row ? cacheValue(row) : '', ttl);
    if (filled !== 1) this.refused++;
    else if (row) {
      this.fills++;
      const age = (performance.now() - loadedAt).toFixed(1);
      this.plan.journal.note(key, [], `filled with seq ${String(row['seq'])}, read ${age} ms before`);
    }
    return false;
  }
}

function tableOf(name: string): ChaosTable {
  const table = TABLES.find((each) => each.name === name);
  if (!table) throw new Error(`There is no table ${name}`);
  return table;
}
