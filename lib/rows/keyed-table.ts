import type { Flavor } from '../change/flavor';
import type { ControlConnection } from '../mysql/control-connection';
import type { ColumnDefinition } from '../decode/column';
import { loadTableDefinition } from '../mysql/table-definition';
import type { TableShape } from '../change/stream';
import type { TableName } from '../change/table-name';
import { nameOf } from '../change/table-name';
import type { RowKeys } from '../keys/row-keys';
import { bindKeys } from '../keys/row-keys';
import type { TableRule } from '../keys/table-rules';

/** A table as it is now, with what is needed to find its rows and to compare them with what is cached. */
export interface KeyedTable {
  /** `schema.table`. */
  readonly name: string;
  readonly rule: TableRule;
  readonly shape: TableShape;
  /** The columns that `SELECT *` gives. */
  readonly columns: ReadonlyMap<string, ColumnDefinition>;
  readonly keys: RowKeys;
  /** The columns that an index begins with: rows are found by them without reading the whole table. */
  readonly indexed: ReadonlySet<string>;
  /** The columns of a unique index without NULLs, the primary key first of all; undefined without one. */
  readonly unique: readonly string[] | undefined;
}

const INDEXES = `
  SELECT INDEX_NAME AS name, COLUMN_NAME AS col, NON_UNIQUE AS several, NULLABLE AS nullable, SUB_PART AS part
    FROM INFORMATION_SCHEMA.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?
   ORDER BY INDEX_NAME = 'PRIMARY' DESC, INDEX_NAME, SEQ_IN_INDEX`;

/**
 * Undefined where the table does not exist (or may not be seen).
 *
 * @throws NoUsableKeyError when no key can be made of its rows
 */
export async function loadKeyedTable(
  control: ControlConnection,
  flavor: Flavor,
  rule: TableRule,
  name: TableName,
): Promise<KeyedTable | undefined> {
  const { schema, table } = name;
  const definition = await loadTableDefinition(control, flavor, schema, table);
  if (!definition) return undefined;
  const visible = definition.columns.filter((column) => !column.invisible);
  const shape: TableShape = {
    schema,
    table,
    columns: visible.map((column) => column.name),
    primaryKey: definition.primaryKey,
  };
  const keys = bindKeys(rule, shape);
  const indexes = await control.query(INDEXES, [schema, table]);
  return {
    name: nameOf(name),
    rule,
    shape,
    columns: new Map(visible.map((column) => [column.name, column])),
    keys,
    ...readIndexes(indexes, shape.columns),
  };
}

function readIndexes(
  rows: readonly Record<string, unknown>[],
  columns: readonly string[],
): Pick<KeyedTable, 'indexed' | 'unique'> {
  const indexed = new Set<string>();
  const unique = new Map<string, string[] | undefined>();
  let last: string | undefined;
  for (const row of rows) {
    const index = String(row['name']);
    const column = String(row['col']);
    if (index !== last) indexed.add(column);
    if (index !== last) unique.set(index, []);
    last = index;
    const fits =
      Number(row['several']) === 0 &&
      row['nullable'] !== 'YES' &&
      row['part'] === null &&
      columns.includes(column);
    if (fits) unique.get(index)?.push(column);
    else unique.set(index, undefined);
  }
  const [first] = [...unique.values()].filter((each) => each !== undefined);
  return { indexed, unique: first };
}
