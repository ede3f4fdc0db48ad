import type { Column } from './column';
import { CorruptEventError, type Cursor } from './cursor';
import { readerOf, widthOf } from './readers/column-reader';
import type { Reader } from './readers/reader';
import { RowDecodeError } from './row-decode-error';
import { openRowsEvent } from './rows-event';
import type { ValueOptions } from './value-options';

export { RowDecodeError } from './row-decode-error';
export { isRowsEvent } from './rows-event';
export type { ValueOptions } from './value-options';

/** A row by column name. A column that is not in the image is not in the row either: absent is not NULL. */
export type Row = Record<string, unknown>;

/** What a row event says of one row. */
export interface RowImages {
  /** Null for an insert. */
  before: Row | null;
  /** Null for a delete. Of an update, the before image overlaid with what the after image holds. */
  after: Row | null;
  /**
   * Whether `before` has every column that the decoder delivers. False under `binlog_row_image=MINIMAL` or
   * `NOBLOB`, and false where there is no `before`.
   */
  beforeComplete: boolean;
  /** The same for `after`. */
  afterComplete: boolean;
}

/** How the images with one set of columns are read, in the order of the columns in the image. */
interface ImagePlan {
  /** Index of each column of the image among the table's columns. */
  columns: readonly number[];
  names: readonly string[];
  /** Undefined for a column that is passed over. */
  readers: readonly (Reader | undefined)[];
  widths: Int32Array;
  nullBytes: number;
  /** Whether every column that the decoder delivers is in the image. */
  complete: boolean;
}

/**
 * Decodes the row events of one table version. How each column is read or passed over is settled once, here;
 * a row is then one loop.
 *
 * MariaDB ends some statements with a row event of no table (table id 0xffffff); it must not be given here.
 */
export class RowsDecoder {
  private readonly readers: (Reader | undefined)[];
  private readonly widths: number[];
  private readonly delivered: string[];
  private readonly full: ImagePlan;
  private readonly partial = new Map<string, ImagePlan>();
  /** Whether only some columns are read. */
  readonly isProjected: boolean;
  /** Bytes of the rows that were decoded last, inflated where they came compressed. */
  lastBytes = 0;
  /** Where the decoder is, for the error message. */
  private row = 0;
  private maxRows = Infinity;
  private column: Column | undefined;

  /**
   * @param wanted the columns to read; all others are passed over. Without it every column that `SELECT *`
   *   returns, which leaves invisible ones out; with it an invisible column is read if it is named.
   */
  constructor(
    private readonly columns: readonly Column[],
    options: ValueOptions,
    wanted?: ReadonlySet<string>,
  ) {
    this.isProjected = wanted !== undefined;
    // mysql2 does not read a column of the name __proto__ either.
    const read = columns.filter(
      ({ name, invisible }) => name !== '__proto__' && (wanted ? wanted.has(name) : !invisible),
    );
    this.delivered = read.map((column) => column.name);
    this.readers = columns.map((column) => (read.includes(column) ? readerOf(column, options) : undefined));
    this.widths = columns.map(widthOf);
    this.full = this.planOf(columns.map((_, index) => index));
  }

  /**
   * The rows of a row event.
   *
   * @param body from after the common header to the end without its checksum
   * @param maxRows decode no more than the first rows
   * @throws RowDecodeError when the bytes do not fit the table
   */
  decode(eventType: number, body: Cursor, maxRows = Infinity): RowImages[] {
    this.row = 0;
    this.maxRows = maxRows;
    this.column = undefined;
    try {
      const event = openRowsEvent(eventType, body);
      this.lastBytes = event.rows.end - event.rows.pos;
      if (event.columnCount !== this.columns.length) {
        throw new CorruptEventError(
          `it has ${event.columnCount} columns where the table map has ${this.columns.length}`,
        );
      }
      const plan = this.planAt(event.header, event.bitmap);
      switch (event.action) {
        case 'insert':
          return this.inserts(plan, event.rows);
        case 'delete':
          return this.deletes(plan, event.rows);
        case 'update':
          return this.updates(plan, this.planAt(event.header, event.afterBitmap), event.rows);
      }
    } catch (error) {
      throw new RowDecodeError(eventType, this.row, this.column, error);
    }
  }

  private inserts(plan: ImagePlan, rows: Cursor): RowImages[] {
    return this.eachRow(rows, () => {
      const after = this.readImage(plan, rows);
      return { before: null, after, beforeComplete: false, afterComplete: plan.complete };
    });
  }

  private deletes(plan: ImagePlan, rows: Cursor): RowImages[] {
    return this.eachRow(rows, () => {
      const before = this.readImage(plan, rows);
      return { before, after: null, beforeComplete: plan.complete, afterComplete: false };
    });
  }

  private updates(beforePlan: ImagePlan, afterPlan: ImagePlan, rows: Cursor): RowImages[] {
    const beforeComplete = beforePlan.complete;
    const merge = !afterPlan.complete;
    const afterComplete = merge ? this.isCompleteTogether(beforePlan, afterPlan) : true;
    return this.eachRow(rows, () => {
      const before = this.readImage(beforePlan, rows);
      const image = this.readImage(afterPlan, rows);
      const after = merge ? this.overlay(before, image) : image;
      return { before, after, beforeComplete, afterComplete };
    });
  }

  /**
   * There is always one row, even of no bytes: under `binlog_row_image=MINIMAL` an insert of nothing but
   * defaults has no columns.
   */
  private eachRow(rows: Cursor, read: () => RowImages): RowImages[] {
    const images: RowImages[] = [];
    do {
      const start = rows.pos;
      this.row++;
      images.push(read());
      if (rows.pos === start && start < rows.end) throw new CorruptEventError('it has bytes but no columns');
    } while (rows.pos < rows.end && this.row < this.maxRows);
    return images;
  }

  /** The values of one image; a bit per column of the image, before it, says which are NULL. */
  private readImage(plan: ImagePlan, cursor: Cursor): Row {
    const { names, readers, widths } = plan;
    const { buf } = cursor;
    const nulls = cursor.take(plan.nullBytes);
    const row: Row = {};
    for (let i = 0; i < widths.length; i++) {
      const reader = readers[i];
      const isNull = (buf[nulls + (i >> 3)]! & (1 << (i & 7))) !== 0;
      if (reader === undefined) {
        if (isNull) continue;
        const width = widths[i]!;
        const length = width >= 0 ? width : cursor.uintLE(-width);
        cursor.pos += length;
      } else if (isNull) {
        row[names[i]!] = null;
      } else {
        this.column = this.columns[plan.columns[i]!];
        row[names[i]!] = reader(cursor);
        if (!(cursor.pos <= cursor.end)) throw new CorruptEventError('it ends past the end of the event');
      }
    }
    this.column = undefined;
    // Written so that NaN, which comes of a length read past the buffer's end, fails as well.
    if (!(cursor.pos <= cursor.end)) throw new CorruptEventError('it ends past the end of the event');
    return row;
  }

  private planAt(header: Buffer, bitmap: number): ImagePlan {
    const count = this.columns.length;
    if (isFull(header, bitmap, count)) return this.full;
    const key = header.toString('latin1', bitmap, bitmap + ((count + 7) >> 3));
    let plan = this.partial.get(key);
    if (plan === undefined) {
      const present = this.columns.map((_, i) => i).filter((i) => isSet(header, bitmap, i));
      plan = this.planOf(present);
      this.partial.set(key, plan);
    }
    return plan;
  }

  private planOf(columns: number[]): ImagePlan {
    return {
      columns,
      names: columns.map((i) => this.columns[i]!.name),
      readers: columns.map((i) => this.readers[i]),
      widths: Int32Array.from(columns, (i) => this.widths[i]!),
      nullBytes: (columns.length + 7) >> 3,
      complete: columns.filter((i) => this.readers[i] !== undefined).length === this.delivered.length,
    };
  }

  private overlay(before: Row, after: Row): Row {
    const merged: Row = {};
    for (const name of this.delivered) {
      if (Object.hasOwn(after, name)) merged[name] = after[name];
      else if (Object.hasOwn(before, name)) merged[name] = before[name];
    }
    return merged;
  }

  private isCompleteTogether(before: ImagePlan, after: ImagePlan): boolean {
    const known = new Set([...before.columns, ...after.columns]);
    return this.readers.every((reader, i) => reader === undefined || known.has(i));
  }
}

function isSet(bitmap: Buffer, start: number, index: number): boolean {
  return (bitmap[start + (index >> 3)]! & (1 << (index & 7))) !== 0;
}

function isFull(bitmap: Buffer, start: number, count: number): boolean {
  const whole = count >> 3;
  for (let i = 0; i < whole; i++) {
    if (bitmap[start + i] !== 0xff) return false;
  }
  const rest = (1 << (count & 7)) - 1;
  return rest === 0 || (bitmap[start + whole]! & rest) === rest;
}
