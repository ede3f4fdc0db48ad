import type { KeyedTable } from '../rows/keyed-table';
import { loadKeyedTable } from '../rows/keyed-table';
import { verdictOn } from '../audit/verdict';
import { readValues } from '../redis/read-values';
import { RowFinder, keysOf } from '../rows/row-finder';
import type { SourceRow, SourceRows } from '../rows/source-rows';
import type { CacheflowConfig } from '../config/cacheflow.config';
import { listTables } from '../mysql/existing-tables';
import type { RedisClient } from '../redis/redis-client';
import { NoUsableKeyError, keyPatterns } from '../keys/row-keys';
import { AppliedTime } from './applied-time';
import { KeyOwners } from './key-owners';
import { scanKeys } from './key-scan';
import type { Suspect } from './suspects';
import { Suspects } from './suspects';
import { TableWalk } from '../rows/table-walk';
import type { VerifyListener, VerifySummary } from './verify-report';
import { emptySummary } from './verify-report';

/** What a verification works with. */
export interface VerifyContext {
  readonly config: CacheflowConfig;
  /** The `name` of the source. */
  readonly name: string;
  readonly source: SourceRows;
  readonly client: RedisClient;
  readonly listener: VerifyListener;
  /** Rows of a page, and keys of a look at Redis. */
  readonly batch: number;
  /** Remove the keys of what is wrong. */
  readonly repair: boolean;
  readonly signal: AbortSignal;
}

/** Suspects that are confirmed together: each confirmation waits for the tail. */
const SUSPECTS_AT_ONCE = 1_000;

/** Compares all that is cached of the watched tables with their rows, in both directions, in bounded memory. */
export class Verifier {
  private readonly summary = emptySummary();
  private readonly finder: RowFinder;
  private readonly suspects: Suspects;
  private waiting: Suspect[] = [];

  constructor(private readonly context: VerifyContext) {
    const { source, config, client, name, listener, repair, signal } = context;
    this.finder = new RowFinder(source, config.mysql);
    const applied = new AppliedTime(client, name, (message) => listener.warn(message), signal);
    const { finder, summary } = this;
    const { serializer } = config.cache;
    this.suspects = new Suspects({ client, finder, serializer, applied, listener, summary, repair, signal });
  }

  /** Rejects when the source or Redis fails. */
  async run(): Promise<VerifySummary> {
    const tables = await this.loadTables();
    for (const table of tables) await this.walk(table);
    await this.flush();
    await this.scan(tables);
    await this.flush();
    return this.summary;
  }

  private async loadTables(): Promise<KeyedTable[]> {
    const { source, config } = this.context;
    const tables: KeyedTable[] = [];
    for (const { schema, table } of await listTables(source.control)) {
      const rule = config.rules.find(schema, table);
      if (!rule) continue;
      try {
        const loaded = await loadKeyedTable(source.control, source.server.flavor, rule, { schema, table });
        if (loaded) tables.push(loaded);
      } catch (error) {
        if (!(error instanceof NoUsableKeyError)) throw error;
        this.skip(`${schema}.${table}: no key can be made: ${error.message}`);
      }
    }
    this.summary.tables = tables.length;
    return tables;
  }

  private skip(reason: string): void {
    this.summary.skipped.push(reason);
    this.context.listener.warn(`Skipped: ${reason}`);
  }

  /** From the rows to their keys. */
  private async walk(table: KeyedTable): Promise<void> {
    const { source, listener, batch, signal } = this.context;
    const walk = TableWalk.of(source, table);
    if (!walk) {
      this.skip(`${table.name}: its rows have no primary key (or unique index) that can be gone through`);
      return;
    }
    for await (const page of walk.pages(batch)) {
      signal.throwIfAborted();
      await this.comparePage(table, page);
      this.summary.rows += page.length;
      listener.progress(`${table.name}: ${this.summary.rows} rows, ${this.summary.cached} cached keys`);
    }
  }

  private async comparePage(table: KeyedTable, page: readonly SourceRow[]): Promise<void> {
    const { client, config } = this.context;
    const rows = new Map<string, SourceRow[]>();
    for (const row of page) {
      for (const key of keysOf(table, row.row)) {
        const ofKey = rows.get(key);
        if (ofKey) ofKey.push(row);
        else rows.set(key, [row]);
      }
    }
    const keys = [...rows.keys()];
    const texts = await readValues(client, keys);
    this.summary.keys += keys.length;
    for (const [index, key] of keys.entries()) {
      const text = texts[index] ?? null;
      if (text === null) continue;
      this.summary.cached++;
      const found = rows.get(key) ?? [];
      const { serializer } = config.cache;
      const rowsOfKey = { rows: found, isAll: table.keys.forms !== undefined };
      const verdict = verdictOn({ table, key, text, serializer }, rowsOfKey);
      if (verdict === 'incomparable') this.summary.incomparable++;
      if (verdict === 'wrong') await this.suspect({ key, row: found[0]?.row, tables: [table] });
    }
  }

  /** From the keys to their rows: those that no row has. */
  private async scan(tables: readonly KeyedTable[]): Promise<void> {
    const { client, config, listener, batch, signal } = this.context;
    for (const table of tables) {
      if (!table.keys.forms)
        this.skip(`${table.name}: keys without a row, because a key function cannot be turned back`);
    }
    const owners = new KeyOwners(tables);
    const patterns = config.rules.all
      .filter((rule) => rule.key.kind !== 'function')
      .flatMap((rule) => keyPatterns(rule, { schema: rule.db, table: rule.table }));
    for await (const keys of scanKeys(client, [...new Set(patterns)], batch)) {
      signal.throwIfAborted();
      await this.findOrphans(keys, owners);
      this.summary.scanned += keys.length;
      listener.progress(`looking for keys without a row: ${this.summary.scanned} keys scanned`);
    }
  }

  private async findOrphans(keys: readonly string[], owners: KeyOwners): Promise<void> {
    const wanted = new Map<KeyedTable, string[]>();
    // The tables that could have a row of the key and have none; undefined where a row was found, or may be there.
    const without = new Map<string, KeyedTable[] | undefined>(keys.map((key) => [key, []]));
    for (const key of keys) {
      for (const table of owners.of(key)) {
        // What no row of the table can have is somebody else's key.
        if (!this.finder.isPossible(table, key)) continue;
        const ofTable = wanted.get(table);
        if (ofTable) ofTable.push(key);
        else wanted.set(table, [key]);
      }
    }
    let owned = 0;
    for (const [table, ofTable] of wanted) {
      const asked = ofTable.map((key) => ({ key, row: undefined }));
      for (const [key, { rows, isAll }] of await this.finder.find(table, asked, table.keys.columns)) {
        if (rows.length > 0) owned++;
        if (rows.length > 0 || !isAll) without.set(key, undefined);
        else without.get(key)?.push(table);
      }
    }
    const candidates = [...without].flatMap(([key, tables]) =>
      tables && tables.length > 0 ? [[key, tables] as const] : [],
    );
    this.summary.unassigned += Math.max(0, without.size - candidates.length - owned);
    await this.suspectOrphans(candidates);
  }

  private async suspectOrphans(candidates: readonly (readonly [string, KeyedTable[]])[]): Promise<void> {
    const { client, config } = this.context;
    const { serializer } = config.cache;
    const texts = await readValues(
      client,
      candidates.map(([key]) => key),
    );
    for (const [index, [key, tables]] of candidates.entries()) {
      const [table] = tables;
      const text = texts[index] ?? null;
      if (!table) continue;
      const verdict = verdictOn({ table, key, text, serializer }, { rows: [], isAll: true });
      if (verdict !== 'wrong') continue;
      await this.suspect({ key, row: undefined, tables });
    }
  }

  private async suspect(suspect: Suspect): Promise<void> {
    this.waiting.push(suspect);
    if (this.waiting.length >= SUSPECTS_AT_ONCE) await this.flush();
  }

  private async flush(): Promise<void> {
    const suspects = this.waiting;
    this.waiting = [];
    await this.suspects.confirm(suspects);
  }
}
