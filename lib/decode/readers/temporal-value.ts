import { asDateString, type ValueOptions } from '../value-options';
import { timeZoneOf } from './time-zone';
import type { WallTime } from './temporal-text';
import { dateText, datetimeText, fractionText } from './temporal-text';

/** What a DATE's parts become: a Date at midnight of the connection's time zone, or text. */
export function dateValue(options: ValueOptions): (year: number, month: number, day: number) => unknown {
  if (asDateString(options, 'DATE')) return (year, month, day) => dateText({ year, month, day });
  const zone = timeZoneOf(options.timezone);
  return (year, month, day) => zone.date(year, month, day);
}

/** What a DATETIME becomes. */
export type DatetimeValue = (wall: WallTime) => unknown;

export function datetimeValue(options: ValueOptions, digits: number): DatetimeValue {
  if (asDateString(options, 'DATETIME')) {
    return (wall) => datetimeText(wall) + fractionText(wall.micros, digits);
  }
  const zone = timeZoneOf(options.timezone);
  return (wall) => zone.datetime(wall);
}

/** What an instant becomes; the instant 0 is the zero date. */
export type TimestampValue = (epochSeconds: number, micros: number) => unknown;

export function timestampValue(options: ValueOptions, digits: number): TimestampValue {
  if (!asDateString(options, 'TIMESTAMP')) {
    return (seconds, micros) =>
      new Date(seconds === 0 && micros === 0 ? NaN : seconds * 1000 + Math.floor(micros / 1000));
  }
  const zone = timeZoneOf(options.timezone);
  return (seconds, micros) =>
    (seconds === 0 && micros === 0 ? '0000-00-00 00:00:00' : zone.text(seconds)) +
    fractionText(micros, digits);
}
