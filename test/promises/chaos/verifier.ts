import { isDeepStrictEqual } from 'node:util';
import type { SqlServer } from '../../support/servers';
import { cacheValue } from './cache-value';
import type { EventFindings } from './event-findings';
import { compareEvents } from './event-findings';
import type { Journal } from './journal';
import type { ChaosRedis } from './redis';
import { SqlSession } from './sql-session';
import type { ChaosRow } from './tables';
import { KEY_PREFIXES, TABLES, primaryKeyText } from './tables';
import { readToldEvents } from './told-events';
import type { World } from './world';

const KEYS_PER_SCAN = 1_000;
/** Findings that are told with their history: to look it up for thousands takes minutes. */
const TOLD_FINDINGS = 20;

/** A key that does not hold its row. */
export interface Finding {
  readonly key: string;
  readonly cached: string;
  /** Undefined: there is no such row. */
  readonly row: string | undefined;
  /** The row has never been like that. */
  readonly isPhantom: boolean;
  /** What happened to it, oldest first. */
  readonly history: readonly string[];
}

/** Compares the cache, and what the app was told, with the database. */
export class Verifier {
  private readonly found = new Map<string, Finding>();
  /** Cached values that were compared with their row. */
  compared = 0;

  private readonly sql: SqlServer;
  private readonly redis: ChaosRedis;
  private readonly journal: Journal;

  constructor(private readonly world: World) {
    const { sql, redis, journal } = world;
    this.sql = sql;
    this.redis = redis;
    this.journal = journal;
  }

  /** Every key that was wrong at some check. */
  get stale(): readonly Finding[] {
    return [...this.found.values()];
  }

  /** Of those, the ones that hold what never committed. */
  get phantomValues(): number {
    return this.stale.filter(({ isPhantom }) => isPhantom).length;
  }

  /** Compares every key with its row; nobody may write and the app has to have caught up. */
  async checkCache(): Promise<void> {
    const rows = await this.rows();
    const wrong: { key: string; cached: string; row: string | undefined }[] = [];
    for (const [key, cached] of await this.cache()) {
      this.compared++;
      const row = rows.get(key);
      // That there is no such row may be cached as well.
      if (row === undefined && cached === 'null') continue;
      if (row !== undefined && isDeepStrictEqual(JSON.parse(cached), JSON.parse(row))) continue;
      if (!this.found.has(key)) wrong.push({ key, cached, row });
    }
    if (wrong.length === 0) return;
    const committed = await this.committed();
    for (const { key, cached, row } of wrong) {
      const isTold = this.found.size < TOLD_FINDINGS;
      const history = isTold ? this.journal.historyOf(tableOfKey(key), numberOfKey(key), key) : [];
      const { change_id: changeId } = (JSON.parse(cached) ?? {}) as { change_id?: number };
      const isPhantom = changeId !== undefined && !committed.has(changeId);
      this.found.set(key, { key, cached, row, isPhantom, history });
    }
  }

  /** Compares the events in these files with what was committed. */
  async checkEvents(files: readonly string[], isDistributed = false): Promise<EventFindings> {
    const deleted = await this.query('SELECT * FROM deletion UNION ALL SELECT * FROM deletion_loose');
    const committed = {
      written: await this.committed(),
      deleted: new Map(
        deleted.map(({ tab, change_id: id, pk, by_id: by }): [string, number] => [
          `d ${String(tab)} ${String(id)} ${String(pk)}`,
          Number(by),
        ]),
      ),
    };
    const told = await readToldEvents(files);
    return compareEvents(told, committed, (id) => this.journal.makerOf(id), {
      epochs: this.world.epochs,
      isDistributed,
    });
  }

  /** The changes that were committed, with the number of their rows. */
  private async committed(): Promise<Map<number, number>> {
    const rows = await this.query('SELECT * FROM ledger UNION ALL SELECT * FROM ledger_loose');
    return new Map(rows.map(({ change_id: id, changes }) => [Number(id), Number(changes)]));
  }

  private async query(sql: string): Promise<ChaosRow[]> {
    const session = new SqlSession(this.sql);
    try {
      return await session.query(sql);
    } finally {
      session.close();
    }
  }

  private async rows(): Promise<Map<string, string>> {
    const session = new SqlSession(this.sql);
    const rows = new Map<string, string>();
    try {
      for (const table of TABLES) {
        for (const row of await session.query(`SELECT * FROM ${table.name}`)) {
          const value = cacheValue(row);
          for (const key of table.keys(row)) {
            if (rows.has(key)) throw new Error(`Two rows have the key of ${primaryKeyText(table, row)}`);
            rows.set(key, value);
          }
        }
      }
      return rows;
    } finally {
      session.close();
    }
  }

  /** The keys of the tables, with what stands there. */
  async cache(): Promise<Map<string, string>> {
    const client = this.redis.connect();
    const cache = new Map<string, string>();
    try {
      for (const master of await this.redis.masters()) {
        let cursor = '0';
        do {
          const [next, found] = await master.command<[string, string[]]>(
            'SCAN',
            cursor,
            'COUNT',
            KEYS_PER_SCAN,
          );
          cursor = next;
          const keys = found.filter((key) => KEY_PREFIXES.some((prefix) => key.startsWith(prefix)));
          // One by one, because in a cluster they lie in many slots.
          const values = await Promise.all(keys.map((key) => client.get(key)));
          for (const [at, key] of keys.entries()) {
            const value = values[at];
            if (typeof value === 'string') cache.set(key, value);
          }
        } while (cursor !== '0');
      }
      return cache;
    } finally {
      client.disconnect();
    }
  }
}

function tableOfKey(key: string): string {
  if (key.startsWith('profile:')) return 'profiles';
  return key.startsWith('account:') ? 'accounts' : (key.split(':')[1] ?? '');
}

/** The number of the row, as the writers count. */
function numberOfKey(key: string): number | undefined {
  const id = /(\d+)$/.exec(key)?.[1];
  if (id === undefined) return undefined;
  return key.startsWith('account:') ? Number(BigInt(id) - 9_007_199_254_740_993n) : Number(id);
}
