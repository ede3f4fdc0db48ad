import { ColumnType, columnTypeName } from './column-type';
import { enumLabels } from './enum-labels';
import type { HiddenColumns } from './hidden-columns';
import { hiddenNames, hiddenPlaces } from './hidden-columns';
import type { ColumnMap, TableMap } from './table-map';

/**
 * What INFORMATION_SCHEMA.COLUMNS says of a column. It completes the table map, which never holds the scale of
 * FLOAT(M,D), ZEROFILL, MariaDB's own types or its old temporal formats, and which holds neither names nor
 * labels unless `binlog_row_metadata=FULL`.
 */
export interface ColumnDefinition {
  name: string;
  /** DATA_TYPE in lower case. */
  dataType: string;
  /** COLUMN_TYPE. */
  columnType: string;
  /** CHARACTER_SET_NAME. */
  charset: string | null;
  /** NUMERIC_SCALE. */
  numericScale: number | null;
  /** Whether EXTRA says that the column is generated, virtual or stored. */
  generated: boolean;
  /** Whether EXTRA holds INVISIBLE, so that `SELECT *` leaves the column out. */
  invisible?: boolean;
  /**
   * MariaDB: whether the column's own CHECK is `json_valid(<column>)`, which is what makes a text column JSON
   * there and mysql2 parse it. See {@link isJsonCheck}.
   */
  json?: boolean;
}

/** A type that a server stores under the code of another. */
export type ColumnFormat = 'uuid' | 'inet4' | 'inet6' | 'json';

/** All that is known of one column: the table map first, its definition where the map is silent. */
export interface Column {
  index: number;
  name: string;
  map: ColumnMap;
  unsigned: boolean;
  /** Left out by `SELECT *`. */
  invisible: boolean;
  /** Generated, VIRTUAL or STORED; false where only the table map is known. */
  generated: boolean;
  /** The character set of a text, ENUM or SET column; 'binary' where the value is bytes. */
  charset: string;
  /** Labels of an ENUM or SET: raw in `charset`, or text where they come from the definition. */
  labels: readonly (Buffer | string)[];
  /** Digits after the point of FLOAT(M,D) and DOUBLE(M,D); undefined where the number decides. */
  fixedScale: number | undefined;
  /** Digits to which ZEROFILL pads; 0 without it. */
  zerofill: number;
  format: ColumnFormat | undefined;
  /** MariaDB 5.3's temporal format: digits of its fraction, undefined where the column is not of that format. */
  legacyFraction: number | undefined;
}

/** The binlog's table and its present definition do not belong together: the table was altered in between. */
export class SchemaDriftError extends Error {
  override readonly name = 'SchemaDriftError';

  constructor(
    readonly schema: string,
    readonly table: string,
    mismatch: string,
  ) {
    super(
      `The row events of ${schema}.${table} carry no column names, and its present definition does not fit ` +
        `them: ${mismatch}. Set binlog_row_metadata=FULL on the server, so that row events describe themselves.`,
    );
  }
}

/** MariaDB: whether a CHECK clause of level 'Column' makes that column JSON (`sql/sql_type_json.cc`). */
export function isJsonCheck(checkClause: string, column: string): boolean {
  return checkClause.toLowerCase() === `json_valid(\`${column.toLowerCase().replaceAll('`', '``')}\`)`;
}

/**
 * Joins a table map with the table's definition.
 *
 * With names in the map, a definition counts for the column of its name if it is of the same family of types,
 * and is else left aside: the table was altered since. Without names the definitions have to fit one by one.
 *
 * @param definitions in the order of the table's columns
 * @param charsetOf character set by collation id, as the server numbers them. Without it (or for an unknown id)
 *   the definition's character set counts, then utf8mb4.
 * @param hidden what MariaDB may have added to the table; undefined on MySQL, which adds nothing
 * @throws SchemaDriftError when names have to come from definitions that do not fit
 */
export function resolveColumns(
  map: TableMap,
  definitions: readonly ColumnDefinition[] | undefined,
  charsetOf: (collationId: number) => string | undefined = () => undefined,
  hidden?: HiddenColumns,
): Column[] {
  const matched = map.hasNames
    ? matchByName(map, definitions, hidden)
    : matchByPosition(map, definitions ?? [], hidden);
  return map.columns.map((column, index) => {
    const { name, definition, isHidden } = matched[index]!;
    return {
      index,
      name,
      map: column,
      unsigned: column.unsigned ?? (definition ? /\bunsigned\b/i.test(definition.columnType) : false),
      invisible: column.invisible ?? definition?.invisible ?? isHidden,
      generated: definition?.generated ?? false,
      charset: charsetOfColumn(column, definition, charsetOf),
      labels: column.values ?? (definition ? enumLabels(definition.columnType) : []),
      fixedScale: fixedScale(column, definition),
      zerofill: zerofillWidth(column, definition),
      format: formatOf(definition),
      legacyFraction: legacyFraction(column, definition),
    };
  });
}

interface Match {
  name: string;
  definition: ColumnDefinition | undefined;
  /** Whether the server keeps the column for itself. */
  isHidden: boolean;
}

function matchByName(
  map: TableMap,
  definitions: readonly ColumnDefinition[] | undefined,
  hidden: HiddenColumns | undefined,
): Match[] {
  const byName = new Map(definitions?.map((definition) => [definition.name, definition]));
  const places = hidden && hiddenPlaces(map.columns, (name) => byName.has(name));
  return map.columns.map((column, index) => {
    const name = column.name!;
    const namesake = byName.get(name);
    const definition = namesake && isOfFamily(column, namesake) ? namesake : undefined;
    return { name, definition, isHidden: places?.has(index) ?? false };
  });
}

function matchByPosition(
  map: TableMap,
  definitions: readonly ColumnDefinition[],
  hidden: HiddenColumns = { versioned: false, hashes: 0 },
): Match[] {
  const { columns, schema, table } = map;
  const surplus =
    definitions.length === 0 ? undefined : hiddenNames(columns.slice(definitions.length), hidden);
  if (surplus === undefined || definitions.length > columns.length) {
    throw new SchemaDriftError(
      schema,
      table,
      `the event has ${columns.length} columns, the definition ${definitions.length}`,
    );
  }
  const described = definitions.map((definition, i): Match => {
    const column = columns[i]!;
    if (isOfFamily(column, definition)) return { name: definition.name, definition, isHidden: false };
    throw new SchemaDriftError(
      schema,
      table,
      `column ${i + 1} is ${columnTypeName(column.type)} in the event and ${definition.dataType} in the ` +
        `definition (${definition.name})`,
    );
  });
  return [...described, ...surplus.map((name) => ({ name, definition: undefined, isHidden: true }))];
}

/** The DATA_TYPEs that a type code may have. A code that is not here fits everything. */
const FAMILIES: Record<number, RegExp> = {
  [ColumnType.Tiny]: /^(tinyint|boolean)$/,
  [ColumnType.Short]: /^smallint$/,
  [ColumnType.Int24]: /^mediumint$/,
  [ColumnType.Long]: /^int$/,
  [ColumnType.LongLong]: /^bigint$/,
  [ColumnType.Float]: /^float$/,
  [ColumnType.Double]: /^double$/,
  [ColumnType.Decimal]: /^decimal$/,
  [ColumnType.NewDecimal]: /^decimal$/,
  [ColumnType.Bit]: /^bit$/,
  [ColumnType.Year]: /^year$/,
  [ColumnType.Date]: /^date$/,
  [ColumnType.NewDate]: /^date$/,
  [ColumnType.Time]: /^time$/,
  [ColumnType.Time2]: /^time$/,
  [ColumnType.Datetime]: /^datetime$/,
  [ColumnType.Datetime2]: /^datetime$/,
  [ColumnType.Timestamp]: /^timestamp$/,
  [ColumnType.Timestamp2]: /^timestamp$/,
  [ColumnType.Enum]: /^enum$/,
  [ColumnType.Set]: /^set$/,
  [ColumnType.Json]: /^json$/,
  [ColumnType.Vector]: /^vector$/,
  [ColumnType.String]: /^(char|binary|uuid|inet4|inet6)$/,
  [ColumnType.Varchar]: /^(varchar|varbinary|vector)$/,
  [ColumnType.VarcharCompressed]: /^(varchar|varbinary)$/,
  [ColumnType.Blob]: /^(tiny|medium|long)?(text|blob)$/,
  [ColumnType.BlobCompressed]: /^(tiny|medium|long)?(text|blob)$/,
  [ColumnType.Geometry]: /^(geometry|(multi)?(point|linestring|polygon)|geom(etry)?collection)$/,
};

function isOfFamily(column: ColumnMap, definition: ColumnDefinition): boolean {
  return FAMILIES[column.type]?.test(definition.dataType) ?? true;
}

/** The id of `binary`, the same on every server (MySQL `mysql/strings/m_ctype.h`, my_charset_bin). */
const BINARY_COLLATION = 63;

function charsetOfColumn(
  column: ColumnMap,
  definition: ColumnDefinition | undefined,
  charsetOf: (collationId: number) => string | undefined,
): string {
  if (column.collation === BINARY_COLLATION) return 'binary';
  const known = column.collation === undefined ? undefined : charsetOf(column.collation);
  return known ?? definition?.charset ?? (definition && isBinary(definition) ? 'binary' : 'utf8mb4');
}

/** ENUM and SET have a character set even where it is binary, and then COLUMNS tells none. */
function isBinary(definition: ColumnDefinition): boolean {
  return /binary|blob|^(enum|set|vector)$/.test(definition.dataType);
}

function fixedScale(column: ColumnMap, definition: ColumnDefinition | undefined): number | undefined {
  if (column.type !== ColumnType.Float && column.type !== ColumnType.Double) return undefined;
  const declared = /^\w+\((\d+),(\d+)\)/.exec(definition?.columnType ?? '');
  return declared ? Number(declared[2]) : undefined;
}

function zerofillWidth(column: ColumnMap, definition: ColumnDefinition | undefined): number {
  if (!definition || !/\bzerofill\b/i.test(definition.columnType)) return 0;
  if (column.type === ColumnType.NewDecimal) return column.meta >> 8;
  const width = /^\w+\((\d+)\)/.exec(definition.columnType);
  return width ? Number(width[1]) : 0;
}

function formatOf(definition: ColumnDefinition | undefined): ColumnFormat | undefined {
  if (definition === undefined) return undefined;
  if (definition.json === true) return 'json';
  const { dataType } = definition;
  return dataType === 'uuid' || dataType === 'inet4' || dataType === 'inet6' ? dataType : undefined;
}

/**
 * Codes 7, 11 and 12 are the temporal formats before MySQL 5.6. MariaDB's fractional ones (from its 5.3, kept
 * under `mysql56_temporal_format=OFF`) have the same codes, and only COLUMN_TYPE tells: it is `datetime(3)` and
 * a comment that names MariaDB 5.3 (MariaDB `sql/field.cc`, Field_datetime_hires).
 */
function legacyFraction(column: ColumnMap, definition: ColumnDefinition | undefined): number | undefined {
  const { type } = column;
  if (type !== ColumnType.Timestamp && type !== ColumnType.Time && type !== ColumnType.Datetime) {
    return undefined;
  }
  return Number(/^\w+\((\d)\)/.exec(definition?.columnType ?? '')?.[1] ?? 0);
}
