import { ColumnType } from './column-type';
import type { ColumnMap } from './table-map';

// MariaDB ends a table with columns of its own that are in the binlog but neither in INFORMATION_SCHEMA nor in
// `SELECT *`: two TIMESTAMP(6) for `WITH SYSTEM VERSIONING` (`sql/handler.cc`, Vers_parse_info), and a BIGINT
// UNSIGNED for each UNIQUE that is kept as a hash: over a BLOB or TEXT, over more bytes than an index takes, or
// `USING HASH` (`sql/sql_table.cc`, add_hash_field). MySQL has nothing of the kind at the end: what it makes up
// itself, an invisible primary key, comes first and is among the table's columns for who may see it.

/** What MariaDB may add to the columns of one table as it is now. */
export interface HiddenColumns {
  /** `WITH SYSTEM VERSIONING`. */
  readonly versioned: boolean;
  /** UNIQUE indexes that are kept as a hash. */
  readonly hashes: number;
}

const VERSIONING_NAMES = ['row_start', 'row_end'];

/**
 * Names for what comes after the columns that the definition names; undefined where it is not of this kind. Fewer
 * than there are now are fine: an index that was added since says nothing of the columns before it.
 */
export function hiddenNames(
  surplus: readonly ColumnMap[],
  { versioned, hashes }: HiddenColumns,
): string[] | undefined {
  const names = versioned && isVersioning(surplus.slice(0, 2)) ? [...VERSIONING_NAMES] : [];
  const rest = surplus.slice(names.length);
  if (rest.length > hashes || !rest.every(isHash)) return undefined;
  return [...names, ...rest.map((_, i) => `DB_ROW_HASH_${i + 1}`)];
}

/**
 * Which columns are of this kind, by their places, where the table map has names.
 *
 * @param isDefined whether the table has a column of this name that can be seen
 */
export function hiddenPlaces(
  columns: readonly ColumnMap[],
  isDefined: (name: string) => boolean,
): ReadonlySet<number> {
  const places = new Set<number>();
  let at = columns.length - 1;
  const isOwn = (column: ColumnMap | undefined): boolean =>
    column?.name !== undefined && !isDefined(column.name);
  for (; isOwn(columns[at]) && /^DB_ROW_HASH_\d+$/.test(columns[at]!.name!) && isHash(columns[at]!); at--) {
    places.add(at);
  }
  const pair = columns.slice(Math.max(0, at - 1), at + 1);
  if (pair.every(isOwn) && isVersioning(pair) && pair.every(({ name }, i) => name === VERSIONING_NAMES[i])) {
    places.add(at - 1).add(at);
  }
  return places;
}

function isVersioning(columns: readonly ColumnMap[]): boolean {
  return (
    columns.length === 2 &&
    columns.every(({ type, meta, nullable }) => type === ColumnType.Timestamp2 && meta === 6 && !nullable)
  );
}

/** The sign is known from `binlog_row_metadata=MINIMAL` on. */
function isHash({ type, unsigned, nullable }: ColumnMap): boolean {
  return type === ColumnType.LongLong && unsigned !== false && nullable;
}
