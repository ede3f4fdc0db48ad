import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { Redis } from 'ioredis';
import type { RedisServer, SqlServer } from '../../support/servers';
import { cacheValue } from './cache-value';
import type { Journal } from './journal';
import { SqlSession } from './sql-session';
import type { World } from './world';
import { KEY_PREFIXES, TABLES, primaryKeyText } from './tables';

const KEYS_PER_SCAN = 1_000;

/** A key that does not hold its row. */
export interface Finding {
  readonly key: string;
  readonly cached: string;
  /** Undefined: there is no such row. */
  readonly row: string | undefined;
  /** What happened to it, oldest first. */
  readonly history: readonly string[];
}

/** Compares the cache, and what the app was told, with the database. */
export class Verifier {
  private readonly found = new Map<string, Finding>();
  /** Cached values that were compared with their row. */
  compared = 0;

  private readonly sql: SqlServer;
  private readonly redis: RedisServer;
  private readonly journal: Journal;

  constructor({ sql, redis, journal }: World) {
    this.sql = sql;
    this.redis = redis;
    this.journal = journal;
  }

  /** Every key that was wrong at some check. */
  get stale(): readonly Finding[] {
    return [...this.found.values()];
  }

  /** Compares every key with its row; nobody may write and the app has to have caught up. */
  async checkCache(): Promise<void> {
    const rows = await this.rows();
    for (const [key, cached] of await this.cache()) {
      this.compared++;
      const row = rows.get(key);
      // That there is no such row may be cached as well.
      if (row === undefined && cached === 'null') continue;
      if (row !== undefined && isDeepStrictEqual(JSON.parse(cached), JSON.parse(row))) continue;
      if (this.found.has(key)) continue;
      const history = this.journal.historyOf(tableOfKey(key), numberOfKey(key), key);
      this.found.set(key, { key, cached, row, history });
    }
  }

  /** Compares the events in these files with what was committed. */
  async checkEvents(files: readonly string[]): Promise<{ changes: number; lost: number; surplus: number }> {
    const session = new SqlSession(this.sql);
    try {
      const seen = new Map<number, Set<string>>();
      const deleted = new Set<string>();
      for (const file of files) {
        // The last line of a killed process may be cut off; its change came again.
        for (const line of (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1)) {
          if (line.startsWith('d ')) deleted.add(line);
          else if (line.startsWith('w ')) {
            const [, change = '', key = ''] = line.split(' ');
            const keys = seen.get(Number(change)) ?? new Set();
            seen.set(Number(change), keys.add(key));
          }
        }
      }
      let [changes, lost, surplus] = [0, 0, 0];
      const ledger = new Map<number, number>();
      for (const { change_id: id, changes: count } of await session.query('SELECT * FROM ledger'))
        ledger.set(Number(id), Number(count));
      for (const [id, count] of ledger) {
        changes += count;
        lost += Math.max(0, count - (seen.get(id)?.size ?? 0));
      }
      for (const [id, keys] of seen) surplus += Math.max(0, keys.size - (ledger.get(id) ?? 0));
      for (const { tab, change_id: id, pk } of await session.query('SELECT * FROM deletion')) {
        changes++;
        if (!deleted.delete(`d ${String(tab)} ${String(id)} ${String(pk)}`)) lost++;
      }
      return { changes, lost, surplus: surplus + deleted.size };
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
    const client = new Redis({ port: this.redis.port, maxRetriesPerRequest: null });
    client.on('error', () => undefined);
    const cache = new Map<string, string>();
    try {
      let cursor = '0';
      do {
        const [next, found] = await client.scan(cursor, 'COUNT', KEYS_PER_SCAN);
        cursor = next;
        const keys = found.filter((key) => KEY_PREFIXES.some((prefix) => key.startsWith(prefix)));
        const values = keys.length > 0 ? await client.mget(keys) : [];
        for (const [at, key] of keys.entries()) {
          const value = values[at];
          if (typeof value === 'string') cache.set(key, value);
        }
      } while (cursor !== '0');
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
