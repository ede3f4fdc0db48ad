import { quoteName } from '../mysql/sql-text';
import type { MysqlSourceOptions } from '../options/cacheflow.options';
import type { Row } from '../change/change-event';
import { keyText } from '../keys/key-text';
import type { KeyedTable } from './keyed-table';
import { keyLiteral } from './key-literal';
import type { SourceRow, SourceRows } from './source-rows';

/** A key whose rows are looked for. */
export interface WantedKey {
  readonly key: string;
  /** A row that had the key, as far as it is known: finds it by its primary key where nothing else does. */
  readonly row: Row | undefined;
}

/** The rows that have a key now. */
export interface FoundRows {
  readonly rows: readonly SourceRow[];
  /** Whether there are no others. Without it and without rows nothing is known. */
  readonly isAll: boolean;
}

/** Of one statement. */
const TUPLES_PER_SELECT = 500;

/** Finds the rows that keys belong to: by what stands in the key, else by the primary key. */
export class RowFinder {
  constructor(
    private readonly source: SourceRows,
    private readonly options: MysqlSourceOptions,
  ) {}

  /**
   * The rows of each key.
   *
   * @param columns those to read; all without it, which a key function needs
   */
  async find(
    table: KeyedTable,
    wanted: readonly WantedKey[],
    columns?: readonly string[],
  ): Promise<ReadonlyMap<string, FoundRows>> {
    const lookups = new Lookups();
    const isAll = new Map<string, boolean>();
    for (const each of wanted) {
      const complete = this.addForms(table, each.key, lookups);
      if (!complete) this.addPrimaryKey(table, each.row, lookups);
      isAll.set(each.key, complete);
    }
    const found = new Map<string, SourceRow[]>();
    for (const { where } of lookups) {
      for (const row of await this.source.select(table, where, columns ? { columns } : {})) {
        for (const key of keysOf(table, row.row)) {
          if (!isAll.has(key)) continue;
          const rows = found.get(key);
          // Two lookups may find the same row.
          if (!rows) found.set(key, [row]);
          else if (!rows.some((each) => fingerprint(each) === fingerprint(row))) rows.push(row);
        }
      }
    }
    return new Map(
      wanted.map(({ key }) => [key, { rows: found.get(key) ?? [], isAll: isAll.get(key) ?? false }]),
    );
  }

  /** Whether a row of the table can have the key, by the types of the columns in it. */
  isPossible(table: KeyedTable, key: string): boolean {
    return (table.keys.forms ?? []).some(
      (form) =>
        form.split(key, (name, text) => this.literal(table, name, text) !== 'impossible')?.length !== 0,
    );
  }

  /** Whether what was added finds every row that has the key. */
  private addForms(table: KeyedTable, key: string, lookups: Lookups): boolean {
    if (!table.keys.forms) return false;
    let complete = true;
    for (const form of table.keys.forms) {
      const splits = form.split(key, (name, text) => this.literal(table, name, text) !== 'impossible');
      if (splits?.length === 0) continue;
      const literals = (splits ?? []).map((texts) =>
        texts.map((text, index) => this.literal(table, form.columns[index] ?? '', text)),
      );
      const usable = literals.every((tuple) => tuple.every((literal) => typeof literal === 'object'));
      // Without an index the source would read the whole table for it.
      if (!splits || !usable || !form.columns.some((name) => table.indexed.has(name))) {
        complete = false;
        continue;
      }
      for (const tuple of literals) {
        lookups.add(
          form.columns,
          tuple.map((literal) => (typeof literal === 'object' ? literal.sql : 'NULL')),
        );
      }
    }
    return complete;
  }

  private addPrimaryKey(table: KeyedTable, row: Row | undefined, lookups: Lookups): void {
    const { primaryKey } = table.shape;
    if (!row || primaryKey.length === 0) return;
    const tuple: string[] = [];
    for (const name of primaryKey) {
      const text = keyText(row[name]);
      const literal = typeof text === 'string' ? this.literal(table, name, text) : 'unknown';
      if (typeof literal !== 'object') return;
      tuple.push(literal.sql);
    }
    lookups.add(primaryKey, tuple);
  }

  private literal(table: KeyedTable, name: string, text: string): ReturnType<typeof keyLiteral> {
    const column = table.columns.get(name);
    return column ? keyLiteral(column, text, this.options) : 'unknown';
  }
}

/** What a row is, for the comparison of two readings. */
export function fingerprint({ row }: SourceRow): string {
  return JSON.stringify(row, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

/** The keys of a row; none where the key function fails, which is reported when a change of the row is applied. */
export function keysOf(table: KeyedTable, row: Row): readonly string[] {
  try {
    return table.keys.keysOf(row, true) ?? [];
  } catch {
    return [];
  }
}

/** Tuples to look for, by their columns, each once. */
class Lookups {
  private readonly byColumns = new Map<string, { columns: readonly string[]; tuples: Set<string> }>();

  add(columns: readonly string[], tuple: readonly string[]): void {
    const name = columns.join('\0');
    const entry = this.byColumns.get(name) ?? { columns, tuples: new Set<string>() };
    this.byColumns.set(name, entry);
    entry.tuples.add(tuple.length === 1 ? (tuple[0] ?? 'NULL') : `(${tuple.join(', ')})`);
  }

  *[Symbol.iterator](): Generator<{ where: string }> {
    for (const { columns, tuples } of this.byColumns.values()) {
      const names = columns.map(quoteName).join(', ');
      const all = [...tuples];
      for (let at = 0; at < all.length; at += TUPLES_PER_SELECT) {
        const list = all.slice(at, at + TUPLES_PER_SELECT).join(', ');
        yield { where: `${columns.length === 1 ? names : `(${names})`} IN (${list})` };
      }
    }
  }
}
