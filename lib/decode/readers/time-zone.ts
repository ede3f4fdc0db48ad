import type { WallTime } from './temporal-text';
import { dateText, datetimeText } from './temporal-text';

/**
 * The time zone of a connection: between wall clocks and instants, as mysql2 goes between them (mysql2
 * `lib/packets/packet.js`, parseDate and parseDateTime), with its results for the dates that are none.
 */
export interface TimeZone {
  /** Midnight of a DATE. */
  date(year: number, month: number, day: number): Date;
  /** A DATETIME; a Date has no more than milliseconds. */
  datetime(wall: WallTime): Date;
  /** The wall clock of an instant, without a fraction. */
  text(epochSeconds: number): string;
}

const timeZones = new Map<string, TimeZone>();

/** @param timezone mysql2's option; what it does not know counts as 'Z', as it does there */
export function timeZoneOf(timezone = 'local'): TimeZone {
  let zone = timeZones.get(timezone);
  if (zone === undefined) {
    zone = timezone === 'local' ? new LocalTimeZone() : new FixedOffset(timezone);
    timeZones.set(timezone, zone);
  }
  return zone;
}

const MILLIS_PER_HOUR = 3_600_000;

/** A month or a day that no calendar has: mysql2 makes an invalid Date of such a DATETIME. */
function isNoDate(month: number, day: number): boolean {
  return month < 1 || month > 12 || day < 1 || day > 31;
}

/** The years before 100 go through Date's text constructor, which mysql2 gives them to. */
function datetimeByText(wall: WallTime, suffix: string): Date {
  const fraction = millisOf(wall).toString().padStart(3, '0');
  return new Date(`${datetimeText(wall)}.${fraction}${suffix}`);
}

function millisOf({ micros }: WallTime): number {
  return Math.floor(micros / 1000);
}

/** The milliseconds since 1970 at which UTC's clock shows it. */
function utcOf(wall: WallTime): number {
  const { year, month, day, hour, minute, second } = wall;
  return Date.UTC(year, month - 1, day, hour, minute, second, millisOf(wall));
}

/** UTC, or a fixed distance from it. */
class FixedOffset implements TimeZone {
  private readonly offsetMillis: number;
  private readonly suffix: string;

  constructor(timezone: string) {
    const parts = /^([+ -])(\d\d):(\d\d)$/.exec(timezone);
    const minutes = parts ? Number(parts[2]) * 60 + Number(parts[3]) : 0;
    this.offsetMillis = (parts?.[1] === '-' ? -minutes : minutes) * 60_000;
    this.suffix = parts ? timezone.replace(' ', '+') : 'Z';
  }

  date(year: number, month: number, day: number): Date {
    const utc = Date.UTC(year, month - 1, day);
    if (this.suffix === 'Z') return new Date(utc);
    if (year >= 100 && !isNoDate(month, day)) return new Date(utc - this.offsetMillis);
    return new Date(`${dateText({ year, month, day })}T00:00:00${this.suffix}`);
  }

  datetime(wall: WallTime): Date {
    if (isNoDate(wall.month, wall.day)) return new Date(NaN);
    return wall.year < 100 ? datetimeByText(wall, this.suffix) : new Date(utcOf(wall) - this.offsetMillis);
  }

  text(epochSeconds: number): string {
    const wall = new Date(epochSeconds * 1000 + this.offsetMillis);
    return datetimeText({
      year: wall.getUTCFullYear(),
      month: wall.getUTCMonth() + 1,
      day: wall.getUTCDate(),
      hour: wall.getUTCHours(),
      minute: wall.getUTCMinutes(),
      second: wall.getUTCSeconds(),
      micros: 0,
    });
  }
}

const MAX_HOURS = 4096;

/**
 * The process's time zone. Date's constructor for wall clocks is slow, so the distance from UTC is kept for
 * each hour in which it does not change.
 */
class LocalTimeZone implements TimeZone {
  /** By hour of the wall clock; NaN where the distance changes within it. */
  private readonly offsets = new Map<number, number>();

  date(year: number, month: number, day: number): Date {
    return this.at({ year, month, day, hour: 0, minute: 0, second: 0, micros: 0 });
  }

  datetime(wall: WallTime): Date {
    if (isNoDate(wall.month, wall.day)) return new Date(NaN);
    return wall.year < 100 ? datetimeByText(wall, '') : this.at(wall);
  }

  text(epochSeconds: number): string {
    const wall = new Date(epochSeconds * 1000);
    return datetimeText({
      year: wall.getFullYear(),
      month: wall.getMonth() + 1,
      day: wall.getDate(),
      hour: wall.getHours(),
      minute: wall.getMinutes(),
      second: wall.getSeconds(),
      micros: 0,
    });
  }

  private at(wall: WallTime): Date {
    const { year, month, day, hour, minute, second } = wall;
    if (year >= 100) {
      const utc = utcOf(wall);
      const offset = this.offsetAt(Math.floor(utc / MILLIS_PER_HOUR));
      if (!Number.isNaN(offset)) return new Date(utc - offset);
    }
    return new Date(year, month - 1, day, hour, minute, second, millisOf(wall));
  }

  private offsetAt(hour: number): number {
    let offset = this.offsets.get(hour);
    if (offset === undefined) {
      if (this.offsets.size >= MAX_HOURS) this.offsets.clear();
      const first = localOffset(hour * MILLIS_PER_HOUR);
      const constant =
        first === localOffset((hour + 0.5) * MILLIS_PER_HOUR) &&
        first === localOffset((hour + 1) * MILLIS_PER_HOUR - 1);
      offset = constant ? first : NaN;
      this.offsets.set(hour, offset);
    }
    return offset;
  }
}

/** How far the wall clock is ahead of UTC, in milliseconds. */
function localOffset(wall: number): number {
  const utc = new Date(wall);
  const local = new Date(
    utc.getUTCFullYear(),
    utc.getUTCMonth(),
    utc.getUTCDate(),
    utc.getUTCHours(),
    utc.getUTCMinutes(),
    utc.getUTCSeconds(),
    utc.getUTCMilliseconds(),
  );
  return wall - local.getTime();
}
