import { CacheStrategy } from '../options/cacheflow.options';
import type { Row } from '../change/change-event';
import type { KeyedTable } from '../rows/keyed-table';
import type { FoundRows } from '../rows/row-finder';
import type { SourceRow } from '../rows/source-rows';
import type { CacheSerializer } from '../options/cache-serializer';
import { kindOf, valuesAgree } from './values-agree';

/**
 * - `right`: the key is absent, or what is cached agrees with a row that has the key
 * - `wrong`: it does not, or no row has the key
 * - `incomparable`: it cannot be told
 */
export type Verdict = 'right' | 'wrong' | 'incomparable';

/** A key with what is cached at it. */
export interface CachedKey {
  readonly table: KeyedTable;
  readonly key: string;
  /** Null where the key is absent. */
  readonly text: string | null;
  readonly serializer: CacheSerializer;
}

/** What a cached value is, compared with the rows of its key. */
export function verdictOn(cached: CachedKey, { rows, isAll }: FoundRows): Verdict {
  const { text, serializer } = cached;
  if (text === null) return 'right';
  const read = readValue(serializer, text);
  // What says that there is no such row is right where there is none.
  if (rows.length === 0) return read.value === null ? 'right' : isAll ? 'wrong' : 'incomparable';
  let verdict: Verdict = 'wrong';
  for (const row of rows) {
    const one = verdictOnRow({ ...cached, text, read }, row, isAll);
    if (one === 'right') return 'right';
    if (one === 'incomparable') verdict = one;
  }
  return verdict;
}

interface ReadValue {
  readonly value: unknown;
  readonly isReadable: boolean;
}

function readValue(serializer: CacheSerializer, text: string): ReadValue {
  try {
    return { value: serializer.deserialize(text), isReadable: true };
  } catch {
    return { value: undefined, isReadable: false };
  }
}

function verdictOnRow(
  { table, key, text, read }: CachedKey & { readonly text: string; readonly read: ReadValue },
  row: SourceRow,
  isAll: boolean,
): Verdict {
  const { value, isReadable } = read;
  const { strategy, compare } = table.rule;
  if (compare) return verdictByCompare(callCompare(compare, isReadable ? value : text, row.row, key));
  if (strategy === CacheStrategy.WriteThrough) {
    if (!isReadable || !isPlainObject(value)) return 'wrong';
    // Another row may have written the same key.
    if (!isAll && !agrees(table, value, row, table.shape.primaryKey)) return 'incomparable';
    const isWhole = sameNames(Object.keys(value), Object.keys(row.row));
    return isWhole && agrees(table, value, row, table.shape.columns) ? 'right' : 'wrong';
  }
  if (!isReadable) return 'incomparable';
  if (value === null) return 'wrong';
  if (!isPlainObject(value)) return 'incomparable';
  if (!isAll && !agrees(table, value, row, table.shape.primaryKey)) return 'incomparable';
  const common = table.shape.columns.filter((name) => Object.hasOwn(value, name));
  if (common.length === 0) return 'incomparable';
  return agrees(table, value, row, common) ? 'right' : 'wrong';
}

/** Of those of the columns that the cached value has. */
function agrees(
  table: KeyedTable,
  cached: Row,
  { row, asRead }: SourceRow,
  columns: readonly string[],
): boolean {
  return columns.every((name) => {
    if (!Object.hasOwn(cached, name) || cached[name] === undefined) return true;
    const column = table.columns.get(name);
    const kind = kindOf(column?.dataType ?? '', column?.json);
    if (valuesAgree(cached[name], row[name], kind)) return true;
    return asRead !== undefined && name in asRead && valuesAgree(cached[name], asRead[name], kind);
  });
}

function callCompare(
  compare: NonNullable<KeyedTable['rule']['compare']>,
  cached: unknown,
  row: Row,
  key: string,
): boolean | undefined {
  try {
    return compare(cached, row, key);
  } catch {
    return undefined;
  }
}

function verdictByCompare(agreed: boolean | undefined): Verdict {
  if (agreed === undefined) return 'incomparable';
  return agreed ? 'right' : 'wrong';
}

function isPlainObject(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}
