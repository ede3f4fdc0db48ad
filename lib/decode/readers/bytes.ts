import type { Column } from '../column';
import { ColumnType } from '../column-type';
import { textDecoder } from '../charset';
import { inflateColumn } from './compressed-column';
import type { Reader } from './reader';

/** Bytes of the length before a CHAR, VARCHAR or BLOB value (MySQL `sql/field.cc`, Field_string::pack). */
export function lengthBytes({ type, meta }: Column['map']): number {
  switch (type) {
    case ColumnType.String:
    case ColumnType.VarString:
    case ColumnType.Varchar:
    case ColumnType.VarcharCompressed:
      return meta > 255 ? 2 : 1;
    default:
      return meta;
  }
}

/** What the bytes of a value become; they lie between two places of a buffer that is not ours to keep. */
type Finish = (buf: Buffer, start: number, end: number) => unknown;

/** The reader of every type that is stored as a length and that many bytes. */
export function bytesReader(column: Column, finish: Finish): Reader {
  const prefix = lengthBytes(column.map);
  if (column.map.type === ColumnType.VarcharCompressed || column.map.type === ColumnType.BlobCompressed) {
    return (cursor) => {
      const length = cursor.uintLE(prefix);
      const start = cursor.take(length);
      const inflated = inflateColumn(cursor.buf.subarray(start, start + length));
      return finish(inflated, 0, inflated.length);
    };
  }
  return (cursor) => {
    const length = cursor.uintLE(prefix);
    const start = cursor.take(length);
    return finish(cursor.buf, start, start + length);
  };
}

/** CHAR, VARCHAR and TEXT, BINARY, VARBINARY and BLOB. */
export function characterFinish({ map, charset }: Column): Finish {
  if (charset !== 'binary') return textDecoder(charset) ?? copyBytes;
  // BINARY(n) loses its trailing zeros on the way into the binlog (Field_string::pack strips the padding).
  return map.type === ColumnType.String ? paddedTo(map.meta) : copyBytes;
}

const copyBytes: Finish = (buf, start, end) => Buffer.from(buf.subarray(start, end));

/** A copy with zeros at its end up to the type's fixed length. */
export function paddedTo(length: number): (buf: Buffer, start: number, end: number) => Buffer {
  return (buf, start, end) => {
    const padded = Buffer.alloc(length);
    buf.copy(padded, 0, start, end);
    return padded;
  };
}

/** BIT: as many bytes as the bits need, big-endian, which is what a SELECT returns too. */
export function bitReader(bits: number): Reader {
  const bytes = (bits + 7) >> 3;
  return (cursor) => cursor.copy(bytes);
}

/** VECTOR of MySQL: 32-bit floats, little-endian. */
export const vectorFinish: Finish = (buf, start, end) => {
  const values: number[] = [];
  for (let pos = start; pos + 4 <= end; pos += 4) values.push(buf.readFloatLE(pos));
  return values;
};
