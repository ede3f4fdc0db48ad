import type { Row } from '../../change/change-event';
import type { CommitMark, TableShape, WitnessRow, WitnessValue } from '../../change/stream';
import type { Column } from '../../decode/column';
import { ColumnType } from '../../decode/column-type';
import { Cursor } from '../../decode/cursor';
import { RowsDecoder } from '../../decode/rows-decoder';
import { quoteName, quoteText } from '../../mysql/sql-text';

/** Character sets whose text the server takes back exactly as it was decoded. */
const PLAIN_CHARSETS = new Set(['utf8', 'utf8mb3', 'utf8mb4', 'ascii', 'latin1', 'binary']);
const INTEGERS = new Set<number>([
  ColumnType.Tiny,
  ColumnType.Short,
  ColumnType.Int24,
  ColumnType.Long,
  ColumnType.LongLong,
]);
/** Values as the server's own text, whatever the app asked for; times in UTC, as in the barrier's session. */
const VALUES = { supportBigNumbers: true, bigNumberStrings: true, dateStrings: true, timezone: 'Z' };

/** Makes witnesses of a table's row events. Holds no state of the stream. */
export class WitnessTable {
  /** The key's columns that are numbers. */
  private readonly numbers: ReadonlySet<string>;

  private constructor(
    private readonly shape: TableShape,
    private readonly key: readonly Column[],
    private readonly comparable: readonly Column[],
    private readonly decoder: RowsDecoder,
  ) {
    this.numbers = new Set(key.filter(({ map }) => isNumber(map.type)).map(({ name }) => name));
  }

  /** Undefined for a table whose rows cannot be found again with certainty. */
  static of(shape: TableShape, columns: readonly Column[]): WitnessTable | undefined {
    const key = columns.filter((column) => shape.primaryKey.includes(column.name) && isFitForKey(column));
    if (key.length === 0 || key.length < shape.primaryKey.length) return undefined;
    const comparable = columns.filter(isComparable);
    const wanted = new Set([...key, ...comparable].map(({ name }) => name));
    return new WitnessTable(shape, key, comparable, new RowsDecoder(columns, VALUES, wanted));
  }

  /**
   * Keeps a row event, to decode its first row when it is asked for. The event has to be the first one of this
   * table in its transaction.
   */
  take(eventType: number, buffer: Buffer, start: number, end: number): CommitMark['witness'] {
    // Not the network's buffer itself, of which this is a small part.
    const bytes = Buffer.allocUnsafe(end - start);
    buffer.copy(bytes, 0, start, end);
    return () => this.read(eventType, bytes);
  }

  private read(eventType: number, bytes: Buffer): WitnessRow | undefined {
    const [images] = this.decoder.decode(eventType, new Cursor(bytes, 0, bytes.length), 1);
    if (!images) return undefined;
    const { before, after } = images;
    const where: string[] = [];
    for (const { name } of this.key) {
      const value = (before ?? after)?.[name];
      // The image left it out.
      if (value === undefined || value === null) return undefined;
      where.push(`${quoteName(name)} = ${literal(value, this.numbers.has(name))}`);
    }
    return {
      table: { schema: this.shape.schema, table: this.shape.table },
      action: before === null ? 'insert' : after === null ? 'delete' : 'update',
      where,
      before: before === null ? [] : this.replaced(before, after),
    };
  }

  /** What `before` holds of the columns whose value is another one in `after`. */
  private replaced(before: Row, after: Row | null): WitnessValue[] {
    const values: WitnessValue[] = [];
    for (const { name, charset, map } of this.comparable) {
      const text = textOf(before[name]);
      if (text === undefined || (after && text === textOf(after[name]))) continue;
      const isBytes = map.type === ColumnType.Varchar && charset === 'binary';
      const expression = isBytes ? `HEX(${quoteName(name)})` : `CAST(${quoteName(name)} AS CHAR)`;
      values.push({ expression, text });
    }
    return values;
  }
}

/** One text for each value, as the server is asked for it; undefined for a column that the image left out. */
function textOf(value: unknown): string | null | undefined {
  if (value === undefined || value === null) return value;
  return Buffer.isBuffer(value) ? value.toString('hex').toUpperCase() : String(value);
}

/** Numbers stand bare, because compared with a text they would lose digits and the index. */
function literal(value: unknown, bare: boolean): string {
  if (Buffer.isBuffer(value)) return `X'${value.toString('hex')}'`;
  return bare ? String(value) : quoteText(String(value));
}

/** Whether a condition with the decoded value finds the row, and no other one. */
function isFitForKey(column: Column): boolean {
  const { type } = column.map;
  if (column.invisible || column.generated || column.legacyFraction !== undefined) return false;
  if (isNumber(type) || type === ColumnType.Date || type === ColumnType.Datetime2) return true;
  return (type === ColumnType.Varchar || type === ColumnType.String) && isPlainText(column);
}

/**
 * Whether the server surely gives the same text for a value as the decoder. What it gives differently would be
 * taken for a change that can be read, and let a stale key live.
 */
function isComparable(column: Column): boolean {
  const { type } = column.map;
  if (column.invisible || column.generated || column.zerofill > 0) return false;
  if (column.legacyFraction !== undefined) return false;
  if (isNumber(type)) return true;
  if (type === ColumnType.Date || type === ColumnType.Datetime2 || type === ColumnType.Timestamp2)
    return true;
  return type === ColumnType.Varchar && column.format === undefined && isPlainText(column);
}

function isNumber(type: number): boolean {
  return INTEGERS.has(type) || type === ColumnType.NewDecimal;
}

function isPlainText({ charset, format }: Column): boolean {
  return PLAIN_CHARSETS.has(charset) && format !== 'json';
}
