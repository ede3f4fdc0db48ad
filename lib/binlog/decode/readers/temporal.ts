import type { Column } from '../column';
import { ColumnType } from '../column-type';
import type { Cursor } from '../cursor';
import { asDateString, type ValueOptions } from '../value-options';
import { clockOf, type Clock } from './clock';
import type { Reader } from './reader';
import { fractionText, pad2, pad4 } from './temporal-text';

// Layouts: MySQL `mysys/my_time.cc` (my_datetime_packed_to_binary, my_time_packed_to_binary,
// my_timestamp_to_binary) and, for the codes before MySQL 5.6, `sql/field.cc`. A fraction follows in 1, 2 or 3
// bytes of hundredths, ten-thousandths or millionths of a second, big-endian.

/** Bytes of a fraction with this many digits. */
export function fractionBytes(digits: number): number {
  return (digits + 1) >> 1;
}

const MICROS_PER_UNIT = [1_000_000, 10_000, 100, 1];

function readFraction(cursor: Cursor, bytes: number): number {
  return readUIntBE(cursor, bytes) * MICROS_PER_UNIT[bytes]!;
}

/** An unsigned big-endian integer of up to 6 bytes. */
function readUIntBE(cursor: Cursor, bytes: number): number {
  const { buf, pos } = cursor;
  cursor.pos = pos + bytes;
  switch (bytes) {
    case 1:
      return buf[pos]!;
    case 2:
      return (buf[pos]! << 8) | buf[pos + 1]!;
    case 3:
      return (buf[pos]! << 16) | (buf[pos + 1]! << 8) | buf[pos + 2]!;
    case 4:
      return ((buf[pos]! << 24) | (buf[pos + 1]! << 16) | (buf[pos + 2]! << 8) | buf[pos + 3]!) >>> 0;
    default:
      return buf.readUIntBE(pos, bytes);
  }
}

/** DATE: day, month and year in 5, 4 and 15 bits, little-endian. */
export function dateReader(options: ValueOptions): Reader {
  const value = dateValue(options);
  return (cursor) => {
    const raw = cursor.uintLE(3);
    return value(raw >> 9, (raw >> 5) & 15, raw & 31);
  };
}

/** What a DATE's parts become: a Date at midnight of the connection's time zone, or text. */
export function dateValue(options: ValueOptions): (year: number, month: number, day: number) => unknown {
  if (asDateString(options, 'DATE')) return (year, month, day) => `${pad4(year)}-${pad2(month)}-${pad2(day)}`;
  const clock = clockOf(options.timezone);
  return (year, month, day) => clock.date(year, month, day);
}

/** What a DATETIME's parts become. */
export type DatetimeValue = (
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  micros: number,
) => unknown;

export function datetimeValue(options: ValueOptions, digits: number): DatetimeValue {
  if (asDateString(options, 'DATETIME')) {
    return (year, month, day, hour, minute, second, micros) =>
      `${pad4(year)}-${pad2(month)}-${pad2(day)} ${pad2(hour)}:${pad2(minute)}:${pad2(second)}` +
      fractionText(micros, digits);
  }
  const clock = clockOf(options.timezone);
  return (year, month, day, hour, minute, second, micros) =>
    clock.datetime(year, month, day, hour, minute, second, Math.floor(micros / 1000));
}

/** What an instant becomes; the instant 0 is the zero date. */
export type TimestampValue = (epochSeconds: number, micros: number) => unknown;

export function timestampValue(options: ValueOptions, digits: number): TimestampValue {
  if (!asDateString(options, 'TIMESTAMP')) {
    return (seconds, micros) =>
      new Date(seconds === 0 && micros === 0 ? NaN : seconds * 1000 + Math.floor(micros / 1000));
  }
  const clock: Clock = clockOf(options.timezone);
  return (seconds, micros) =>
    (seconds === 0 && micros === 0 ? '0000-00-00 00:00:00' : clock.text(seconds)) +
    fractionText(micros, digits);
}

/** DATETIME: sign, year * 13 + month, day, hour, minute and second in 1, 17, 5, 5, 6 and 6 bits. */
function datetime2Reader(digits: number, options: ValueOptions): Reader {
  const value = datetimeValue(options, digits);
  const bytes = fractionBytes(digits);
  return (cursor) => {
    const high = readUIntBE(cursor, 4);
    const low = cursor.uintLE(1);
    const yearMonth = (high >>> 14) & 0x1ffff;
    return value(
      Math.floor(yearMonth / 13),
      yearMonth % 13,
      (high >>> 9) & 31,
      (high >>> 4) & 31,
      ((high & 15) << 2) | (low >> 6),
      low & 63,
      bytes === 0 ? 0 : readFraction(cursor, bytes),
    );
  };
}

/** TIMESTAMP: seconds since 1970, big-endian. */
function timestamp2Reader(digits: number, options: ValueOptions): Reader {
  const value = timestampValue(options, digits);
  const bytes = fractionBytes(digits);
  return (cursor) => value(readUIntBE(cursor, 4), bytes === 0 ? 0 : readFraction(cursor, bytes));
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
    const packed = readUIntBE(cursor, 3 + bytes) - zero;
    const magnitude = Math.abs(packed);
    const clock = Math.floor(magnitude / 256 ** bytes);
    const micros = bytes === 0 ? 0 : (magnitude % 256 ** bytes) * unit;
    return timeText(packed < 0, (clock >> 12) & 0x3ff, (clock >> 6) & 63, clock & 63, micros, digits);
  };
}

export function timeText(
  negative: boolean,
  hour: number,
  minute: number,
  second: number,
  micros: number,
  digits: number,
): string {
  const text = `${pad2(hour)}:${pad2(minute)}:${pad2(second)}${fractionText(micros, digits)}`;
  return negative ? `-${text}` : text;
}

/** TIME before MySQL 5.6: the number HHMMSS with its sign, little-endian. */
const readClassicTime: Reader = (cursor) => {
  const packed = (cursor.uintLE(3) << 8) >> 8;
  const magnitude = Math.abs(packed);
  const minutes = Math.floor(magnitude / 100);
  return timeText(packed < 0, Math.floor(minutes / 100), minutes % 100, magnitude % 100, 0, 0);
};

/** DATETIME before MySQL 5.6: the number YYYYMMDDHHMMSS, little-endian. */
function classicDatetimeReader(options: ValueOptions): Reader {
  const value = datetimeValue(options, 0);
  return (cursor) => {
    const low = cursor.uintLE(4);
    const packed = cursor.uintLE(4) * 0x100000000 + low;
    const date = Math.floor(packed / 1_000_000);
    const time = packed % 1_000_000;
    return value(
      Math.floor(date / 10_000),
      Math.floor(date / 100) % 100,
      date % 100,
      Math.floor(time / 10_000),
      Math.floor(time / 100) % 100,
      time % 100,
      0,
    );
  };
}

/** TIMESTAMP before MySQL 5.6: seconds since 1970, little-endian. */
function classicTimestampReader(options: ValueOptions): Reader {
  const value = timestampValue(options, 0);
  return (cursor) => value(cursor.uintLE(4), 0);
}

// MariaDB 5.3's fractional formats: big-endian numbers of the smallest unit (MariaDB `sql/field.cc`,
// Field_time_hires, Field_datetime_hires, Field_timestamp_hires).
const HIRES_TIME_BYTES = [3, 4, 4, 5, 5, 5, 6];
const HIRES_DATETIME_BYTES = [5, 6, 6, 7, 7, 7, 8];
const HIRES_FRACTION_BYTES = [0, 1, 1, 2, 2, 3, 3];
/** 838:59:59 and one second more, which keeps negative times above zero. */
const HIRES_TIME_OFFSET_SECONDS = 3_020_400;

function hiresTimeReader(digits: number): Reader {
  const unitsPerSecond = 10 ** digits;
  return (cursor) => {
    const units = readUIntBE(cursor, HIRES_TIME_BYTES[digits]!) - HIRES_TIME_OFFSET_SECONDS * unitsPerSecond;
    const magnitude = Math.abs(units);
    const seconds = Math.floor(magnitude / unitsPerSecond);
    const micros = (magnitude % unitsPerSecond) * (1_000_000 / unitsPerSecond);
    return timeText(
      units < 0,
      Math.floor(seconds / 3600),
      Math.floor(seconds / 60) % 60,
      seconds % 60,
      micros,
      digits,
    );
  };
}

/** The parts in mixed radix: 13 months, 32 days, 24 hours, 60 minutes, 60 seconds, 10^digits units. */
function hiresDatetimeReader(digits: number, options: ValueOptions): Reader {
  const value = datetimeValue(options, digits);
  const bytes = HIRES_DATETIME_BYTES[digits]!;
  return (cursor) => {
    const start = cursor.take(bytes);
    let rest = BigInt(`0x${cursor.buf.toString('hex', start, start + bytes)}`);
    const next = (radix: number): number => {
      const part = Number(rest % BigInt(radix));
      rest /= BigInt(radix);
      return part;
    };
    const micros = next(10 ** digits) * 10 ** (6 - digits);
    const second = next(60);
    const minute = next(60);
    const hour = next(24);
    const day = next(32);
    const month = next(13);
    return value(Number(rest), month, day, hour, minute, second, micros);
  };
}

function hiresTimestampReader(digits: number, options: ValueOptions): Reader {
  const value = timestampValue(options, digits);
  return (cursor) => {
    const seconds = readUIntBE(cursor, 4);
    return value(seconds, readUIntBE(cursor, HIRES_FRACTION_BYTES[digits]!) * 10 ** (6 - digits));
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
