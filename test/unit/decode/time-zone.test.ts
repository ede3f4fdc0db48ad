import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { timeZoneOf } from '../../../lib/decode/readers/time-zone';

describe('the local clock', () => {
  const before = process.env['TZ'];
  beforeAll(() => {
    process.env['TZ'] = 'Europe/Berlin';
  });
  afterAll(() => {
    if (before === undefined) delete process.env['TZ'];
    else process.env['TZ'] = before;
  });

  it('agrees with the Date constructor in every hour of the days on which the clocks change', () => {
    const clock = timeZoneOf('local');
    for (const [month, day] of [
      [3, 31],
      [10, 27],
      [7, 1],
    ] as const) {
      for (let minute = 0; minute < 24 * 60; minute += 15) {
        const hour = Math.floor(minute / 60);
        const wall = { year: 2024, month, day, hour, minute: minute % 60, second: 1, micros: 2_000 };
        expect(clock.datetime(wall)).toStrictEqual(new Date(2024, month - 1, day, hour, minute % 60, 1, 2));
      }
    }
  });

  it('makes of a date that is none what mysql2 makes of it', () => {
    const zero = timeZoneOf('local').date(0, 0, 0);
    expect(zero).toStrictEqual(new Date(0, -1, 0));
    expect(timeZoneOf('Z').date(0, 0, 0)).toStrictEqual(new Date(Date.UTC(0, -1, 0)));
    expect(timeZoneOf('+08:00').date(0, 0, 0)).toStrictEqual(new Date(NaN));
    const none = { year: 2024, month: 0, day: 1, hour: 0, minute: 0, second: 0, micros: 0 };
    expect(timeZoneOf('local').datetime(none)).toStrictEqual(new Date(NaN));
  });
});
