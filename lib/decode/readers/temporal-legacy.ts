import type { ValueOptions } from '../value-options';
import type { Reader } from './reader';
import { timeText } from './temporal-text';
import { datetimeValue, timestampValue } from './temporal-value';

// The formats before MySQL 5.6, which old tables keep (`sql/field.cc`, Field_time, Field_datetime and
// Field_timestamp), and MariaDB 5.3's fractional ones, which have the same type codes.

/** TIME before MySQL 5.6: the number HHMMSS with its sign, little-endian. */
export const readClassicTime: Reader = (cursor) => {
  const packed = (cursor.uintLE(3) << 8) >> 8;
  const magnitude = Math.abs(packed);
  const minutes = Math.floor(magnitude / 100);
  const hour = Math.floor(minutes / 100);
  return timeText(
    { negative: packed < 0, hour, minute: minutes % 100, second: magnitude % 100, micros: 0 },
    0,
  );
};

/** DATETIME before MySQL 5.6: the number YYYYMMDDHHMMSS, little-endian. */
export function classicDatetimeReader(options: ValueOptions): Reader {
  const value = datetimeValue(options, 0);
  return (cursor) => {
    const low = cursor.uintLE(4);
    const packed = cursor.uintLE(4) * 0x100000000 + low;
    const date = Math.floor(packed / 1_000_000);
    const time = packed % 1_000_000;
    return value({
      year: Math.floor(date / 10_000),
      month: Math.floor(date / 100) % 100,
      day: date % 100,
      hour: Math.floor(time / 10_000),
      minute: Math.floor(time / 100) % 100,
      second: time % 100,
      micros: 0,
    });
  };
}

/** TIMESTAMP before MySQL 5.6: seconds since 1970, little-endian. */
export function classicTimestampReader(options: ValueOptions): Reader {
  const value = timestampValue(options, 0);
  return (cursor) => value(cursor.uintLE(4), 0);
}

// MariaDB 5.3's fractional formats: big-endian numbers of the smallest unit (MariaDB `sql/field.cc`,
// Field_time_hires, Field_datetime_hires, Field_timestamp_hires).
export const HIRES_TIME_BYTES = [3, 4, 4, 5, 5, 5, 6];
export const HIRES_DATETIME_BYTES = [5, 6, 6, 7, 7, 7, 8];
export const HIRES_FRACTION_BYTES = [0, 1, 1, 2, 2, 3, 3];
/** 838:59:59 and one second more, which keeps negative times above zero. */
const HIRES_TIME_OFFSET_SECONDS = 3_020_400;

export function hiresTimeReader(digits: number): Reader {
  const unitsPerSecond = 10 ** digits;
  return (cursor) => {
    const units = cursor.uintBE(HIRES_TIME_BYTES[digits]!) - HIRES_TIME_OFFSET_SECONDS * unitsPerSecond;
    const magnitude = Math.abs(units);
    const seconds = Math.floor(magnitude / unitsPerSecond);
    const micros = (magnitude % unitsPerSecond) * (1_000_000 / unitsPerSecond);
    return timeText(
      {
        negative: units < 0,
        hour: Math.floor(seconds / 3600),
        minute: Math.floor(seconds / 60) % 60,
        second: seconds % 60,
        micros,
      },
      digits,
    );
  };
}

/** The parts in mixed radix: 13 months, 32 days, 24 hours, 60 minutes, 60 seconds, 10^digits units. */
export function hiresDatetimeReader(digits: number, options: ValueOptions): Reader {
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
    return value({ year: Number(rest), month, day, hour, minute, second, micros });
  };
}

export function hiresTimestampReader(digits: number, options: ValueOptions): Reader {
  const value = timestampValue(options, digits);
  return (cursor) => {
    const seconds = cursor.uintBE(4);
    return value(seconds, cursor.uintBE(HIRES_FRACTION_BYTES[digits]!) * 10 ** (6 - digits));
  };
}
