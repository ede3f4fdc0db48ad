import { inflateSync } from 'node:zlib';
import { CorruptEventError, Cursor } from './cursor';

/**
 * Row event types. Source: MySQL `libs/mysql/binlog/event/binlog_event.h` (Log_event_type) and, for 166 to 171,
 * which `log_bin_compress` writes, MariaDB `sql/log_event.h`.
 */
interface RowsEventKind {
  action: 'insert' | 'update' | 'delete';
  /** Version 2 has extra data between its flags and the number of columns. */
  version: 1 | 2;
  compressed: boolean;
}

const KINDS = new Map<number, RowsEventKind>([
  [23, { action: 'insert', version: 1, compressed: false }],
  [24, { action: 'update', version: 1, compressed: false }],
  [25, { action: 'delete', version: 1, compressed: false }],
  [30, { action: 'insert', version: 2, compressed: false }],
  [31, { action: 'update', version: 2, compressed: false }],
  [32, { action: 'delete', version: 2, compressed: false }],
  [166, { action: 'insert', version: 1, compressed: true }],
  [167, { action: 'update', version: 1, compressed: true }],
  [168, { action: 'delete', version: 1, compressed: true }],
  [169, { action: 'insert', version: 2, compressed: true }],
  [170, { action: 'update', version: 2, compressed: true }],
  [171, { action: 'delete', version: 2, compressed: true }],
]);

/**
 * Whether an event of this type holds rows that can be decoded. MySQL's partial JSON updates (39) are row
 * events, too, but hold differences instead of values.
 */
export function isRowsEvent(type: number): boolean {
  return KINDS.has(type);
}

/** A row event's head, and a cursor at its first row. */
export interface RowsEvent {
  action: RowsEventKind['action'];
  columnCount: number;
  /** Where the bitmap of the columns in the first image of each row begins in `header`. */
  header: Buffer;
  bitmap: number;
  /** The same for the after image of an update; else where `bitmap` is. */
  afterBitmap: number;
  rows: Cursor;
}

/**
 * Reads a row event up to its first row.
 *
 * @param cursor from after the common header to the end without its checksum
 *
 * Source: MySQL `libs/mysql/binlog/event/rows_event.h` (Rows_event).
 */
export function openRowsEvent(type: number, cursor: Cursor): RowsEvent {
  const kind = KINDS.get(type);
  if (kind === undefined) throw new CorruptEventError(`event type ${type} is no row event`);
  cursor.take(6 + 2); // table id, flags
  if (kind.version === 2) cursor.take(cursor.uintLE(2) - 2); // the length counts itself
  const columnCount = cursor.lengthEncoded();
  const bitmapBytes = (columnCount + 7) >> 3;
  const bitmap = cursor.take(bitmapBytes);
  const afterBitmap = kind.action === 'update' ? cursor.take(bitmapBytes) : bitmap;
  const rows = kind.compressed ? inflateRows(cursor) : cursor;
  return { action: kind.action, columnCount, header: cursor.buf, bitmap, afterBitmap, rows };
}

/**
 * The rows of a compressed event: a byte with its highest bit set, the algorithm in the next three (0 is zlib)
 * and the bytes of the length in the lowest three; the length, big-endian; a zlib stream. Source: MariaDB
 * `sql/log_event.cc` (binlog_buf_uncompress).
 */
function inflateRows(cursor: Cursor): Cursor {
  const header = cursor.uintLE(1);
  if ((header & 0xf0) !== 0x80) {
    throw new CorruptEventError('a compressed row event has an unknown algorithm');
  }
  cursor.take(header & 7);
  const rows = inflateSync(cursor.buf.subarray(cursor.pos, cursor.end));
  return new Cursor(rows, 0, rows.length);
}
