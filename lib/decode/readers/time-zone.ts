import { pad2, pad4 } from './temporal-text';

/**
 * The time zone of a connection: between wall clocks and instants, as mysql2 goes between them (mysql2
 * `lib/packets/packet.js`, parseDate and parseDateTime), with its results for the dates that are none.
 */
export interface TimeZone {
  /** Midnight of a DATE. */
  date(year: number, month: number, day: number): Date;
  datetime(
    year: number,
    month: number,
    day: number,
    hour: number,
    minute: number,
    second: number,
    millis: number,
  ): Date;
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

function wallText(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): string {
  return `${pad4(year)}-${pad2(month)}-${pad2(day)} ${pad2(hour)}:${pad2(minute)}:${pad2(second)}`;
}

/** The years before 100 go through Date's text constructor, which mysql2 gives them to. */
function datetimeByText(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  millis: number,
  suffix: string,
): Date {
  const fraction = millis.toString().padStart(3, '0');
  return new Date(`${wallText(year, month, day, hour, minute, second)}.${fraction}${suffix}`);
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
    return new Date(`${pad4(year)}-${pad2(month)}-${pad2(day)}T00:00:00${this.suffix}`);
  }

  datetime(
    year: number,
    month: number,
    day: number,
    hour: number,
    minute: number,
    second: number,
    millis: number,
  ): Date {
    if (isNoDate(month, day)) return new Date(NaN);
    if (year < 100) return datetimeByText(year, month, day, hour, minute, second, millis, this.suffix);
    return new Date(Date.UTC(year, month - 1, day, hour, minute, second, millis) - this.offsetMillis);
  }

  text(epochSeconds: number): string {
    const wall = new Date(epochSeconds * 1000 + this.offsetMillis);
    return wallText(
      wall.getUTCFullYear(),
      wall.getUTCMonth() + 1,
      wall.getUTCDate(),
      wall.getUTCHours(),
      wall.getUTCMinutes(),
      wall.getUTCSeconds(),
    );
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
    return this.at(year, month, day, 0, 0, 0, 0);
  }

  datetime(
    year: number,
    month: number,
    day: number,
    hour: number,
    minute: number,
    second: number,
    millis: number,
  ): Date {
    if (isNoDate(month, day)) return new Date(NaN);
    if (year < 100) return datetimeByText(year, month, day, hour, minute, second, millis, '');
    return this.at(year, month, day, hour, minute, second, millis);
  }

  text(epochSeconds: number): string {
    const wall = new Date(epochSeconds * 1000);
    return wallText(
      wall.getFullYear(),
      wall.getMonth() + 1,
      wall.getDate(),
      wall.getHours(),
      wall.getMinutes(),
      wall.getSeconds(),
    );
  }

  private at(
    year: number,
    month: number,
    day: number,
    hour: number,
    minute: number,
    second: number,
    millis: number,
  ): Date {
    if (year >= 100) {
      const wall = Date.UTC(year, month - 1, day, hour, minute, second, millis);
      const offset = this.offsetAt(Math.floor(wall / MILLIS_PER_HOUR));
      if (!Number.isNaN(offset)) return new Date(wall - offset);
    }
    return new Date(year, month - 1, day, hour, minute, second, millis);
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
