import { ColumnType } from './column-type';
import type { ColumnMap } from './table-map';

// MariaDB ends a table with columns of its own that are in the binlog but neither in INFORMATION_SCHEMA nor in
// `SELECT *`: two TIMESTAMP(6) for `WITH SYSTEM VERSIONING` (`sql/handler.cc`, Vers_parse_info), and a BIGINT
// for each UNIQUE over a BLOB or TEXT (`sql/sql_table.cc`, add_hash_field).

const VERSIONING_NAMES = ['row_start', 'row_end'];

/** Whether a column that the table's definition does not name is one of these. */
export function isHiddenName(name: string): boolean {
  return VERSIONING_NAMES.includes(name) || /^DB_ROW_HASH_\d+$/.test(name);
}

/** Names for what comes after the columns that the definition names; undefined where it is not of this kind. */
export function hiddenNames(surplus: readonly ColumnMap[]): string[] | undefined {
  const versioned =
    surplus.length >= 2 &&
    surplus.slice(0, 2).every(({ type, meta }) => type === ColumnType.Timestamp2 && meta === 6);
  const names = versioned ? [...VERSIONING_NAMES] : [];
  const hashes = surplus.slice(names.length);
  if (!hashes.every(({ type }) => type === ColumnType.LongLong)) return undefined;
  return [...names, ...hashes.map((_, i) => `DB_ROW_HASH_${i + 1}`)];
}
