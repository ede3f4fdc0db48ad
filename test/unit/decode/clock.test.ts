import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clockOf } from '../../../lib/binlog/decode/readers/clock';

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
    const clock = clockOf('local');
    for (const [month, day] of [
      [3, 31],
      [10, 27],
      [7, 1],
    ] as const) {
      for (let minute = 0; minute < 24 * 60; minute += 15) {
        const hour = Math.floor(minute / 60);
        expect(clock.datetime(2024, month, day, hour, minute % 60, 1, 2)).toStrictEqual(
          new Date(2024, month - 1, day, hour, minute % 60, 1, 2),
        );
      }
    }
  });

  it('makes of a date that is none what mysql2 makes of it', () => {
    const zero = clockOf('local').date(0, 0, 0);
    expect(zero).toStrictEqual(new Date(0, -1, 0));
    expect(clockOf('Z').date(0, 0, 0)).toStrictEqual(new Date(Date.UTC(0, -1, 0)));
    expect(clockOf('+08:00').date(0, 0, 0)).toStrictEqual(new Date(NaN));
    expect(clockOf('local').datetime(2024, 0, 1, 0, 0, 0, 0)).toStrictEqual(new Date(NaN));
  });
});
