import type { Flavor } from '../change/flavor';
import type { TableShape } from '../change/stream';
import type { TableName } from '../change/table-name';
import type { ControlConnection } from './control-connection';
import type { ColumnDefinition } from '../decode/column';
import { isJsonCheck } from '../decode/column';
import type { HiddenColumns } from '../decode/hidden-columns';

type SqlRow = Record<string, unknown>;

/** What the source says of a table now, which may differ from what it was when a change was written. */
export interface TableDefinition {
  readonly columns: readonly ColumnDefinition[];
  /** Names of the primary key's columns, in order; empty without one, or where a part of it is invisible. */
  readonly primaryKey: readonly string[];
  /** The storage engine, e.g. `InnoDB`. */
  readonly engine: string | undefined;
  /** MariaDB: a SEQUENCE, whose state is kept like a row and logged like one. */
  readonly isSequence: boolean;
  /** What the binlog may hold of each row beside these columns. */
  readonly hidden: HiddenColumns | undefined;
}

const COLUMNS = `
  SELECT COLUMN_NAME AS name, DATA_TYPE AS dataType, COLUMN_TYPE AS columnType, CHARACTER_SET_NAME AS charset,
         NUMERIC_SCALE AS numericScale, EXTRA AS extra
    FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`;
const UNIQUE_INDEXES = `
  SELECT INDEX_NAME AS indexName, COLUMN_NAME AS name, INDEX_TYPE AS type FROM INFORMATION_SCHEMA.STATISTICS
   WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND NON_UNIQUE = 0 ORDER BY SEQ_IN_INDEX`;
const KIND =
  'SELECT ENGINE AS engine, TABLE_TYPE AS type FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?';
/** MariaDB's JSON is a text column with a check. */
const COLUMN_CHECKS = `
  SELECT CHECK_CLAUSE AS clause FROM INFORMATION_SCHEMA.CHECK_CONSTRAINTS
   WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ? AND LEVEL = 'Column'`;

/** The definition of a table, or undefined when it does not exist (or may not be seen). Needs SELECT on it. */
export async function loadTableDefinition(
  control: ControlConnection,
  flavor: Flavor,
  schema: string,
  table: string,
): Promise<TableDefinition | undefined> {
  const [columns, unique, checks, tables] = await Promise.all([
    control.query(COLUMNS, [schema, table]),
    control.query(UNIQUE_INDEXES, [schema, table]),
    flavor === 'mariadb' ? control.query(COLUMN_CHECKS, [schema, table]) : [],
    control.query(KIND, [schema, table]),
  ]);
  if (columns.length === 0) return undefined;
  const definitions = columns.map((row): ColumnDefinition => {
    const name = String(row['name']);
    const extra = String(row['extra']);
    return {
      name,
      dataType: String(row['dataType']).toLowerCase(),
      columnType: String(row['columnType']),
      charset: row['charset'] === null ? null : String(row['charset']),
      numericScale: row['numericScale'] === null ? null : Number(row['numericScale']),
      // DEFAULT_GENERATED is MySQL's word for a default that is an expression.
      generated: /(?<!DEFAULT_)GENERATED/i.test(extra),
      invisible: /INVISIBLE/i.test(extra),
      json: checks.some(({ clause }) => isJsonCheck(String(clause), name)),
    };
  });
  const invisible = definitions.filter((column) => column.invisible).map((column) => column.name);
  const keyColumns = unique.filter((row) => row['indexName'] === 'PRIMARY').map((row) => String(row['name']));
  return {
    columns: definitions,
    primaryKey: keyColumns.some((name) => invisible.includes(name)) ? [] : keyColumns,
    engine: tables[0]?.['engine'] === undefined ? undefined : String(tables[0]['engine']),
    isSequence: tables[0]?.['type'] === 'SEQUENCE',
    hidden: flavor === 'mariadb' ? hiddenColumns(tables[0], unique) : undefined,
  };
}

/** In memory an index is a hash of its own, without a column. */
function hiddenColumns(table: SqlRow | undefined, unique: readonly SqlRow[]): HiddenColumns {
  const hashes = unique.filter((row) => row['type'] === 'HASH').map((row) => row['indexName']);
  return {
    versioned: table?.['type'] === 'SYSTEM VERSIONED',
    hashes: table?.['engine'] === 'MEMORY' ? 0 : new Set(hashes).size,
  };
}

const UNIQUE_ALONE = `
  SELECT INDEX_NAME FROM INFORMATION_SCHEMA.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND NON_UNIQUE = 0
   GROUP BY INDEX_NAME HAVING COUNT(*) = 1 AND MAX(COLUMN_NAME) = ?`;

/** Whether no two rows have the same value in a column. */
export async function isUnique(
  control: ControlConnection,
  { schema, table }: TableName,
  column: string,
): Promise<boolean> {
  return (await control.query(UNIQUE_ALONE, [schema, table, column])).length > 0;
}

/** A table as the tail sees it: invisible columns are not a part of its rows. */
export function shapeOf({ schema, table }: TableName, { columns, primaryKey }: TableDefinition): TableShape {
  const visible = columns.filter((column) => !column.invisible).map((column) => column.name);
  return { schema, table, columns: visible, primaryKey };
}

/** Whether engines take back what is rolled back, by their names in lower case. */
export async function loadEngines(control: ControlConnection): Promise<ReadonlyMap<string, boolean>> {
  const rows = await control.query(
    'SELECT ENGINE AS engine, TRANSACTIONS AS transactions FROM INFORMATION_SCHEMA.ENGINES WHERE TRANSACTIONS IS NOT NULL',
  );
  return new Map(rows.map((row) => [String(row['engine']).toLowerCase(), row['transactions'] === 'YES']));
}

/** Character set names by collation id, as the server numbers them. */
export async function loadCharsets(control: ControlConnection): Promise<ReadonlyMap<number, string>> {
  const sources = [
    // MariaDB since 10.10 numbers the UCA 14 collations only here.
    'SELECT ID AS id, CHARACTER_SET_NAME AS charset FROM INFORMATION_SCHEMA.COLLATION_CHARACTER_SET_APPLICABILITY WHERE ID IS NOT NULL',
    'SELECT ID AS id, CHARACTER_SET_NAME AS charset FROM INFORMATION_SCHEMA.COLLATIONS WHERE ID IS NOT NULL',
  ];
  const charsets = new Map<number, string>();
  for (const sql of sources) {
    const rows = await control.query(sql).catch((error: { code?: string }) => {
      if (error.code === 'ER_BAD_FIELD_ERROR') return [];
      throw error;
    });
    for (const row of rows) charsets.set(Number(row['id']), String(row['charset']));
  }
  return charsets;
}
