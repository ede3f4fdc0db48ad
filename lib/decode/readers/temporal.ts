import type { Column } from '../column';
import { ColumnType } from '../column-type';
import type { Cursor } from '../cursor';
import type { ValueOptions } from '../value-options';
import type { Reader } from './reader';
import {
  classicDatetimeReader,
  classicTimestampReader,
  HIRES_DATETIME_BYTES,
  HIRES_FRACTION_BYTES,
  HIRES_TIME_BYTES,
  hiresDatetimeReader,
  hiresTimeReader,
  hiresTimestampReader,
  readClassicTime,
} from './temporal-legacy';
import { timeText } from './temporal-text';
import { datetimeValue, dateValue, timestampValue } from './temporal-value';

// Layouts: MySQL `mysys/my_time.cc` (my_datetime_packed_to_binary, my_time_packed_to_binary,
// my_timestamp_to_binary). A fraction follows in 1, 2 or 3 bytes of hundredths, ten-thousandths or millionths of
// a second, big-endian.

/** Bytes of a fraction with this many digits. */
function fractionBytes(digits: number): number {
  return (digits + 1) >> 1;
}

const MICROS_PER_UNIT = [1_000_000, 10_000, 100, 1];

function readFraction(cursor: Cursor, bytes: number): number {
  return cursor.uintBE(bytes) * MICROS_PER_UNIT[bytes]!;
}

/** DATE: day, month and year in 5, 4 and 15 bits, little-endian. */
export function dateReader(options: ValueOptions): Reader {
  const value = dateValue(options);
  return (cursor) => {
    const raw = cursor.uintLE(3);
    return value(raw >> 9, (raw >> 5) & 15, raw & 31);
  };
}

/** DATETIME: sign, year * 13 + month, day, hour, minute and second in 1, 17, 5, 5, 6 and 6 bits. */
function datetime2Reader(digits: number, options: ValueOptions): Reader {
  const value = datetimeValue(options, digits);
  const bytes = fractionBytes(digits);
  return (cursor) => {
    const high = cursor.uintBE(4);
    const low = cursor.uintLE(1);
    const yearMonth = (high >>> 14) & 0x1ffff;
    return value({
      year: Math.floor(yearMonth / 13),
      month: yearMonth % 13,
      day: (high >>> 9) & 31,
      hour: (high >>> 4) & 31,
      minute: ((high & 15) << 2) | (low >> 6),
      second: low & 63,
      micros: bytes === 0 ? 0 : readFraction(cursor, bytes),
    });
  };
}

/** TIMESTAMP: seconds since 1970, big-endian. */
function timestamp2Reader(digits: number, options: ValueOptions): Reader {
  const value = timestampValue(options, digits);
  const bytes = fractionBytes(digits);
  return (cursor) => value(cursor.uintBE(4), bytes === 0 ? 0 : readFraction(cursor, bytes));
}

/**
 * TIME: hour, minute and second in 10, 6 and 6 bits, and the fraction below them. A negative time is the two's
 * complement of all of it together, so that the fraction cannot be read by itself.
 */
function time2Reader(digits: number): Reader {
  const bytes = fractionBytes(digits);
  const zero = 0x800000 * 256 ** bytes;
  const unit = MICROS_PER_UNIT[bytes]!;
  return (cursor) => {
    const packed = cursor.uintBE(3 + bytes) - zero;
    const magnitude = Math.abs(packed);
    const clock = Math.floor(magnitude / 256 ** bytes);
    const micros = bytes === 0 ? 0 : (magnitude % 256 ** bytes) * unit;
    const negative = packed < 0;
    const hour = (clock >> 12) & 0x3ff;
    return timeText({ negative, hour, minute: (clock >> 6) & 63, second: clock & 63, micros }, digits);
  };
}

/** Bytes of a TIME, DATETIME or TIMESTAMP of any format. */
export function temporalBytes({ map, legacyFraction }: Column): number {
  const digits = legacyFraction ?? 0;
  switch (map.type) {
    case ColumnType.Timestamp2:
      return 4 + fractionBytes(map.meta);
    case ColumnType.Datetime2:
      return 5 + fractionBytes(map.meta);
    case ColumnType.Time2:
      return 3 + fractionBytes(map.meta);
    case ColumnType.Timestamp:
      return 4 + HIRES_FRACTION_BYTES[digits]!;
    case ColumnType.Time:
      return HIRES_TIME_BYTES[digits]!;
    default:
      return digits === 0 ? 8 : HIRES_DATETIME_BYTES[digits]!;
  }
}

/** The reader of a TIME, DATETIME or TIMESTAMP of any format. */
export function temporalReader({ map, legacyFraction }: Column, options: ValueOptions): Reader {
  const digits = legacyFraction ?? 0;
  switch (map.type) {
    case ColumnType.Timestamp2:
      return timestamp2Reader(map.meta, options);
    case ColumnType.Datetime2:
      return datetime2Reader(map.meta, options);
    case ColumnType.Time2:
      return time2Reader(map.meta);
    case ColumnType.Timestamp:
      return digits === 0 ? classicTimestampReader(options) : hiresTimestampReader(digits, options);
    case ColumnType.Time:
      return digits === 0 ? readClassicTime : hiresTimeReader(digits);
    default:
      return digits === 0 ? classicDatetimeReader(options) : hiresDatetimeReader(digits, options);
  }
}
