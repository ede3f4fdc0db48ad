import { quoteName, quoteText } from '../mysql/sql-text';
import type { Row } from '../change/change-event';
import type { KeyedTable } from './keyed-table';
import type { SourceRow, SourceRows } from './source-rows';

/** How the place of a row in the order of an index is read, and written into a condition. */
interface CursorColumn {
  readonly name: string;
  readonly expression: string;
  literal(value: unknown): string;
}

const PLACE = '$cacheflow_place_';

/** Goes through a table by a unique index, page by page, so that it holds no more than a page and locks nothing. */
export class TableWalk {
  private constructor(
    private readonly source: SourceRows,
    private readonly table: KeyedTable,
    private readonly cursor: readonly CursorColumn[],
  ) {}

  /** Undefined where the table has no unique index that can be gone through. */
  static of(source: SourceRows, table: KeyedTable): TableWalk | undefined {
    const cursor = table.unique?.map((name) => cursorColumn(table, name));
    if (!cursor || cursor.some((column) => column === undefined)) return undefined;
    return new TableWalk(
      source,
      table,
      cursor.filter((column) => column !== undefined),
    );
  }

  /** All rows in pages, each as it is when its page is read. */
  async *pages(rowsPerPage: number): AsyncGenerator<SourceRow[]> {
    const extras = new Map(this.cursor.map(({ name, expression }) => [PLACE + name, expression]));
    const order = this.cursor.map(({ name }) => quoteName(name)).join(', ');
    const rest = `ORDER BY ${order} LIMIT ${rowsPerPage}`;
    let where = 'TRUE';
    for (;;) {
      const rows = await this.source.select(this.table, where, { extras, rest });
      if (rows.length > 0) yield rows;
      const last = rows.at(-1);
      if (!last || rows.length < rowsPerPage) return;
      where = this.after(last.extra);
    }
  }

  /** Row constructors would say the same, but the servers do not use an index for them. */
  private after(place: Row): string {
    let condition = 'FALSE';
    for (const { name, literal } of [...this.cursor].reverse()) {
      const [column, value] = [quoteName(name), literal(place[PLACE + name])];
      condition =
        condition === 'FALSE'
          ? `${column} > ${value}`
          : `(${column} >= ${value} AND (${column} > ${value} OR (${column} = ${value} AND ${condition})))`;
    }
    return condition;
  }
}

/** Undefined for a type whose values do not come back exactly, or do not compare in the order of the index. */
function cursorColumn(table: KeyedTable, name: string): CursorColumn | undefined {
  const column = table.columns.get(name);
  const quoted = quoteName(name);
  switch (column?.dataType) {
    case 'tinyint':
    case 'smallint':
    case 'mediumint':
    case 'int':
    case 'bigint':
    case 'decimal':
    case 'year':
      return { name, expression: `CAST(${quoted} AS CHAR)`, literal: numeric };
    case 'enum':
    case 'set':
    case 'bit':
      // By their numbers, as the index does.
      return { name, expression: `CAST(${quoted} + 0 AS CHAR)`, literal: numeric };
    case 'date':
    case 'datetime':
    case 'time':
    case 'uuid':
    case 'inet4':
    case 'inet6':
      return { name, expression: `CAST(${quoted} AS CHAR)`, literal: (value) => quoteText(String(value)) };
    case 'char':
    case 'varchar':
      if (!/^(utf8|utf16|utf32|ucs2|ascii)/.test(column.charset ?? '')) return undefined;
      return { name, expression: quoted, literal: (value) => quoteText(String(value)) };
    case 'binary':
    case 'varbinary':
      return { name, expression: quoted, literal: (value) => `X'${(value as Buffer).toString('hex')}'` };
    default:
      return undefined;
  }
}

function numeric(value: unknown): string {
  const text = String(value);
  if (!/^-?\d+(\.\d+)?$/.test(text)) throw new Error('The source gave no number for a number');
  return text;
}
