import { describe, expect, it } from 'vitest';
import { comparePositions, formatPosition } from '../../../lib/change/position';
import { chooseServerId, generateServerId, isServerId } from '../../../lib/config/server-id';

describe('positions', () => {
  const at = (file: string, offset: number) => ({ file, offset });
  it.each([
    [at('binlog.000001', 4), at('binlog.000001', 5)],
    [at('binlog.000001', 900), at('binlog.000002', 4)],
    [at('binlog.000009', 4), at('binlog.000010', 4)],
    [at('binlog.999999', 900), at('binlog.1000000', 4)],
    [at('binlog.1000000', 4), at('binlog.1000001', 4)],
    [at('my.host-bin.000001', 4), at('my.host-bin.000002', 4)],
    [at('', 0), at('binlog.000001', 4)],
  ])('%j is before %j', (earlier, later) => {
    expect(comparePositions(earlier, later)).toBeLessThan(0);
    expect(comparePositions(later, earlier)).toBeGreaterThan(0);
    expect(comparePositions(later, { ...later })).toBe(0);
  });

  it('print as file:offset', () => {
    expect(formatPosition(at('binlog.000042', 1234))).toBe('binlog.000042:1234');
  });
});

describe('the server id', () => {
  it('is that of the environment, else the option, else a generated one', () => {
    expect(chooseServerId(5, '7')).toBe(7);
    expect(chooseServerId(5, '')).toBe(5);
    expect(chooseServerId(5, undefined)).toBe(5);
    expect(chooseServerId(undefined, undefined)).toBeGreaterThanOrEqual(2 ** 30);
  });

  it.each(['abc', '0', '-1', '1.5', '4294967296', ' '])('"%s" in the environment is an error', (text) => {
    expect(() => chooseServerId(5, text)).toThrow('CACHEFLOW_SERVER_ID has to be a whole number');
  });

  it('is generated above 2^30 and differently each time', () => {
    const ids = Array.from({ length: 1_000 }, generateServerId);
    expect(ids.every((id) => isServerId(id) && id >= 2 ** 30)).toBe(true);
    expect(new Set(ids).size).toBeGreaterThan(990);
    expect([
      isServerId(0),
      isServerId(2 ** 32),
      isServerId(1),
      isServerId(2 ** 32 - 1),
      isServerId('1'),
    ]).toEqual([false, false, true, true, false]);
  });
});
