import type { Column } from '../column';
import { ColumnType } from '../column-type';
import type { Cursor } from '../cursor';
import type { ValueOptions } from '../value-options';
import type { Reader } from './reader';

// Integers are little-endian (MySQL `sql/field.cc`, Field_long::pack and its neighbours).

export function integerReader({ map, unsigned }: Column): Reader {
  switch (map.type) {
    case ColumnType.Tiny:
      return unsigned ? readUInt8 : readInt8;
    case ColumnType.Short:
      return unsigned ? readUInt16 : readInt16;
    case ColumnType.Int24:
      return unsigned ? readUInt24 : readInt24;
    default:
      return unsigned ? readUInt32 : readInt32;
  }
}

function readUInt8(cursor: Cursor): number {
  return cursor.buf[cursor.pos++]!;
}

function readInt8(cursor: Cursor): number {
  return (cursor.buf[cursor.pos++]! << 24) >> 24;
}

function readUInt16(cursor: Cursor): number {
  const { buf, pos } = cursor;
  cursor.pos = pos + 2;
  return buf[pos]! | (buf[pos + 1]! << 8);
}

function readInt16(cursor: Cursor): number {
  return (readUInt16(cursor) << 16) >> 16;
}

function readUInt24(cursor: Cursor): number {
  const { buf, pos } = cursor;
  cursor.pos = pos + 3;
  return buf[pos]! | (buf[pos + 1]! << 8) | (buf[pos + 2]! << 16);
}

function readInt24(cursor: Cursor): number {
  return (readUInt24(cursor) << 8) >> 8;
}

function readInt32(cursor: Cursor): number {
  const { buf, pos } = cursor;
  cursor.pos = pos + 4;
  return buf[pos]! | (buf[pos + 1]! << 8) | (buf[pos + 2]! << 16) | (buf[pos + 3]! << 24);
}

function readUInt32(cursor: Cursor): number {
  return readInt32(cursor) >>> 0;
}

/**
 * BIGINT: a number while it is exact, then text; see {@link ValueOptions.supportBigNumbers}.
 *
 * As text it keeps the zeros of ZEROFILL, as in mysql2, where it is the server's text.
 */
export function bigintReader({ unsigned, zerofill }: Column, options: ValueOptions): Reader {
  if (options.supportBigNumbers === true && options.bigNumberStrings === true) {
    return (cursor) => readBigInt(cursor, unsigned).toString().padStart(zerofill, '0');
  }
  const beyond =
    options.supportBigNumbers === false
      ? (value: bigint) => Number(value)
      : (value: bigint) => value.toString().padStart(zerofill, '0');
  return (cursor) => {
    const low = readUInt32(cursor);
    const high = unsigned ? readUInt32(cursor) : readInt32(cursor);
    const value = high * 0x100000000 + low;
    if (Number.isSafeInteger(value)) return value;
    cursor.pos -= 8;
    return beyond(readBigInt(cursor, unsigned));
  };
}

function readBigInt(cursor: Cursor, unsigned: boolean): bigint {
  const start = cursor.take(8);
  return unsigned ? cursor.buf.readBigUInt64LE(start) : cursor.buf.readBigInt64LE(start);
}

/** YEAR: years since 1900, and 0 for the year 0000. */
export function readYear(cursor: Cursor): number {
  const year = readUInt8(cursor);
  return year === 0 ? 0 : year + 1900;
}
