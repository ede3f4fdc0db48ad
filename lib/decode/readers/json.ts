import { CorruptEventError, Cursor } from '../cursor';
import { utf8 } from '../charset';
import { ColumnType } from '../column-type';
import { decimalTextReader } from './decimal';
import { JSON_TEXT, jsonValues, type JsonBuilder } from './json-builder';
import { dateText, timeText } from './temporal-text';

/**
 * MySQL's binary JSON. Source: MySQL `sql-common/json_binary.h`, which describes the format, and
 * `sql-common/json_dom.cc` for what the opaque values print.
 */
export function jsonFinish(options: { asText: boolean; exactIntegers: boolean }) {
  return options.asText ? parserFor(JSON_TEXT) : parserFor(jsonValues(options.exactIntegers));
}

function parserFor<T>(builder: JsonBuilder<T>): (buf: Buffer, start: number, end: number) => T {
  return (buf, start, end) => {
    // An update that failed to write the document leaves no bytes at all, which the server prints as null.
    if (start === end) return builder.literal(null);
    return new BinaryJson(buf, end, builder).value(buf[start]!, start + 1);
  };
}

const JsonType = {
  SmallObject: 0,
  LargeObject: 1,
  SmallArray: 2,
  LargeArray: 3,
  Literal: 4,
  Int16: 5,
  UInt16: 6,
  Int32: 7,
  UInt32: 8,
  Int64: 9,
  UInt64: 10,
  Double: 11,
  String: 12,
  Opaque: 15,
} as const;

const LITERALS = [null, true, false];

/** The server refuses documents that are nested deeper (JSON_DOCUMENT_MAX_DEPTH). */
const MAX_DEPTH = 100;

class BinaryJson<T> {
  private depth = 0;

  constructor(
    private readonly buf: Buffer,
    private readonly end: number,
    private readonly builder: JsonBuilder<T>,
  ) {}

  /** The value of this type whose bytes begin at `pos`. */
  value(type: number, pos: number): T {
    const { buf, builder } = this;
    switch (type) {
      case JsonType.SmallObject:
        return this.container(pos, 2, true);
      case JsonType.LargeObject:
        return this.container(pos, 4, true);
      case JsonType.SmallArray:
        return this.container(pos, 2, false);
      case JsonType.LargeArray:
        return this.container(pos, 4, false);
      case JsonType.Literal:
        return builder.literal(LITERALS[buf[pos]!] ?? null);
      case JsonType.Int16:
        return builder.integer(buf.readInt16LE(pos));
      case JsonType.UInt16:
        return builder.integer(buf.readUInt16LE(pos));
      case JsonType.Int32:
        return builder.integer(buf.readInt32LE(pos));
      case JsonType.UInt32:
        return builder.integer(buf.readUInt32LE(pos));
      case JsonType.Int64:
        return builder.bigInteger(buf.readBigInt64LE(pos));
      case JsonType.UInt64:
        return builder.bigInteger(buf.readBigUInt64LE(pos));
      case JsonType.Double:
        return builder.double(buf.readDoubleLE(pos));
      case JsonType.String: {
        const { start, end } = this.sized(pos);
        return builder.string(utf8(buf, start, end));
      }
      case JsonType.Opaque:
        return this.opaque(pos);
      default:
        throw new CorruptEventError(`a JSON document holds the unknown type ${type}`);
    }
  }

  /**
   * An object or array: the number of members, the size in bytes, for an object an entry per key (offset,
   * length), then an entry per value (type, and the offset or the value itself). Offsets count from `start`
   * and, as the count and the size, have two bytes in the small format and four in the large one.
   */
  private container(start: number, width: 2 | 4, isObject: boolean): T {
    if (++this.depth > MAX_DEPTH) throw new CorruptEventError('a JSON document is nested too deeply');
    const count = this.uint(start, width);
    const keyEntries = start + 2 * width;
    const valueEntries = isObject ? keyEntries + count * (width + 2) : keyEntries;
    if (valueEntries + count * (width + 1) > this.end) {
      throw new CorruptEventError('a JSON document ends too early');
    }
    const values: T[] = [];
    for (let i = 0; i < count; i++) {
      const entry = valueEntries + i * (width + 1);
      const type = this.buf[entry]!;
      values.push(
        isInlined(type, width)
          ? this.value(type, entry + 1)
          : this.value(type, start + this.uint(entry + 1, width)),
      );
    }
    this.depth--;
    if (!isObject) return this.builder.array(values);
    const keys: string[] = [];
    for (let i = 0; i < count; i++) {
      const entry = keyEntries + i * (width + 2);
      const key = start + this.uint(entry, width);
      keys.push(utf8(this.buf, key, key + this.buf.readUInt16LE(entry + width)));
    }
    return this.builder.object(keys, values);
  }

  private uint(pos: number, width: 2 | 4): number {
    return width === 2 ? this.buf.readUInt16LE(pos) : this.buf.readUInt32LE(pos);
  }

  /** Bytes after their length, which has seven bits per byte, the lowest first. */
  private sized(pos: number): { start: number; end: number } {
    let length = 0;
    let start = pos;
    for (let factor = 1; factor <= 128 ** 4; factor *= 128) {
      const byte = this.buf[start++]!;
      length += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (start + length > this.end) throw new CorruptEventError('a JSON document ends too early');
        return { start, end: start + length };
      }
    }
    throw new CorruptEventError('a JSON document holds a length of more than five bytes');
  }

  /** A value of a column type that JSON has not: the type's code and the bytes. */
  private opaque(pos: number): T {
    const type = this.buf[pos]!;
    const { start, end } = this.sized(pos + 1);
    switch (type) {
      case ColumnType.NewDecimal: {
        const read = decimalTextReader(this.buf[start]!, this.buf[start + 1]!);
        return this.builder.decimal(read(new Cursor(this.buf, start + 2, end)));
      }
      case ColumnType.Date:
      case ColumnType.Datetime:
      case ColumnType.Timestamp:
      case ColumnType.Time:
        return this.builder.string(packedTemporal(type, this.buf.readBigInt64LE(start)));
      default:
        return this.builder.string(`base64:type${type}:${base64Lines(this.buf, start, end)}`);
    }
  }
}

/** Whether a value stands in its entry itself rather than behind an offset (json_binary.cc, attempt_inline_value). */
function isInlined(type: number, width: 2 | 4): boolean {
  switch (type) {
    case JsonType.Literal:
    case JsonType.Int16:
    case JsonType.UInt16:
      return true;
    case JsonType.Int32:
    case JsonType.UInt32:
      return width === 4;
    default:
      return false;
  }
}

/** Whole seconds above 24 bits of microseconds (MySQL `mysys/my_time.cc`, TIME_to_longlong_packed). */
function packedTemporal(type: number, packed: bigint): string {
  const negative = packed < 0n;
  const magnitude = negative ? -packed : packed;
  const micros = Number(magnitude & 0xffffffn);
  const clock = Number((magnitude >> 24n) & 0x1ffffn);
  const minute = (clock >> 6) & 63;
  const second = clock & 63;
  if (type === ColumnType.Time) {
    const hour = Number((magnitude >> 36n) & 0x3ffn);
    return timeText({ negative, hour, minute, second, micros }, 6);
  }
  const date = Number(magnitude >> 41n);
  const yearMonth = date >> 5;
  const text = dateText({ year: Math.floor(yearMonth / 13), month: yearMonth % 13, day: date & 31 });
  if (type === ColumnType.Date) return text;
  return `${text} ${timeText({ negative: false, hour: clock >> 12, minute, second, micros }, 6)}`;
}

const BASE64_LINE = 76;

/** Base64 in lines of 76 characters (MySQL `mysys/base64.cc`). */
function base64Lines(buf: Buffer, start: number, end: number): string {
  const text = buf.toString('base64', start, end);
  let lines = text.slice(0, BASE64_LINE);
  for (let i = BASE64_LINE; i < text.length; i += BASE64_LINE) lines += `\n${text.slice(i, i + BASE64_LINE)}`;
  return lines;
}
