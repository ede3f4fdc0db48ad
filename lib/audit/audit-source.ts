import type { CacheflowConfig } from '../config/cacheflow.config';
import type { TableName } from '../change/table-name';
import type { RedisClient } from '../redis/redis-client';
import { NoUsableKeyError } from '../keys/row-keys';
import type { KeyedTable } from '../rows/keyed-table';
import { loadKeyedTable } from '../rows/keyed-table';
import type { CheckSource } from './key-check';
import { verdictOn } from './verdict';
import { readValues } from '../redis/read-values';
import { RowFinder } from '../rows/row-finder';
import { SourceRows } from '../rows/source-rows';

/** What the auditor asks: the source over a connection of its own, which is made anew when it broke, and Redis. */
export class AuditSource {
  private rows: SourceRows | undefined;

  constructor(
    private readonly config: CacheflowConfig,
    private readonly redis: { readonly client: RedisClient },
  ) {}

  /** The table as it is now; undefined where it is gone or has no keys. */
  async open(name: TableName, signal: AbortSignal): Promise<KeyedTable | undefined> {
    if (this.rows && !this.rows.isOpen) this.close();
    if (!this.rows) {
      const rows = await SourceRows.open(this.config.mysql, signal);
      // Closed meanwhile, by who has given up waiting.
      if (signal.aborted) rows.close();
      signal.throwIfAborted();
      this.rows = rows;
    }
    const rule = this.config.rules.find(name.schema, name.table);
    if (!rule) return undefined;
    try {
      return await loadKeyedTable(this.rows.control, this.rows.server.flavor, rule, name);
    } catch (error) {
      if (error instanceof NoUsableKeyError) return undefined;
      throw error;
    }
  }

  checkSource(table: KeyedTable, caughtUp: () => Promise<void>): CheckSource {
    const { rows } = this;
    if (!rows) throw new Error('The source is not open');
    const finder = new RowFinder(rows, this.config.mysql);
    return {
      values: (keys) => readValues(this.redis.client, keys),
      rows: (wanted) => finder.find(table, wanted),
      verdictOn: (key, text, found) =>
        verdictOn({ table, key, text, serializer: this.config.cache.serializer }, found),
      caughtUp,
    };
  }

  /** What is being asked is answered with an error. */
  close(): void {
    this.rows?.close();
    this.rows = undefined;
  }
}
