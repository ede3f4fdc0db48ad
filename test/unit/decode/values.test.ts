import { describe, expect, it } from 'vitest';
import { ColumnType } from '../../../lib/decode/column-type';
import { toFixedScale, toSixDigits } from '../../../lib/decode/readers/float';
import { doubleText } from '../../../lib/decode/readers/json-builder';
import { parseNumber } from '../../../lib/decode/readers/number-text';
import { columnOf, readHex } from './support';

describe('DECIMAL', () => {
  const decimal = (precision: number, scale: number) =>
    columnOf({ type: ColumnType.NewDecimal, meta: precision * 256 + scale });

  it('keeps every digit of both signs', () => {
    // The example of MySQL's decimal2bin: 1234567890.1234 as DECIMAL(14,4).
    expect(readHex(decimal(14, 4), '81 0d fb 38 d2 04 d2')).toBe('1234567890.1234');
    expect(readHex(decimal(14, 4), '7e f2 04 c7 2d fb 2d')).toBe('-1234567890.1234');
  });

  it('has one zero before the point and none in front of other digits', () => {
    expect(readHex(decimal(5, 2), '80 00 0a')).toBe('0.10');
    expect(readHex(decimal(5, 2), '7f ff f5')).toBe('-0.10');
    expect(readHex(decimal(2, 2), '85')).toBe('0.05');
    expect(readHex(decimal(10, 0), '80 00 00 00 00')).toBe('0');
  });

  it('is a number where the options say so', () => {
    expect(readHex(decimal(14, 4), '7e f2 04 c7 2d fb 2d', { decimalNumbers: true })).toBe(-1234567890.1234);
  });
});

describe('TIME', () => {
  const time = (digits: number) => columnOf({ type: ColumnType.Time2, meta: digits });

  it('borrows from the seconds where a negative time has a fraction', () => {
    expect(readHex(time(0), '7f ff ff')).toBe('-00:00:01');
    expect(readHex(time(1), '7f ff ff f6')).toBe('-00:00:00.1');
    expect(readHex(time(2), '7f ff ff ff')).toBe('-00:00:00.01');
    expect(readHex(time(4), '7f ff fe ff f6')).toBe('-00:00:01.0010');
    expect(readHex(time(6), '7f ff ff ff ff ff')).toBe('-00:00:00.000001');
  });

  it('has as many hours as it takes', () => {
    expect(readHex(time(0), 'b4 6e fb')).toBe('838:59:59');
    expect(readHex(time(0), '4b 91 05')).toBe('-838:59:59');
    expect(readHex(time(3), '80 00 00 00 00')).toBe('00:00:00.000');
  });
});

describe('DATETIME and TIMESTAMP', () => {
  const datetime = columnOf({ type: ColumnType.Datetime2, meta: 6 });
  const timestamp = columnOf({ type: ColumnType.Timestamp2, meta: 3 });

  it('read in the time zone of the options', () => {
    const hex = '99 b2 ba c9 f8 0f 12 06';
    expect(readHex(datetime, hex, { dateStrings: true })).toBe('2024-02-29 12:39:56.987654');
    expect(readHex(datetime, hex, { timezone: 'Z' })).toStrictEqual(new Date('2024-02-29T12:39:56.987Z'));
    expect(readHex(datetime, hex, { timezone: '-03:30' })).toStrictEqual(
      new Date('2024-02-29T12:39:56.987-03:30'),
    );
    expect(readHex(timestamp, '65 e0 7b 3c 26 8e', { timezone: 'Z' })).toStrictEqual(new Date(1709210428987));
    expect(readHex(timestamp, '65 e0 7b 3c 26 8e', { timezone: '+08:00', dateStrings: ['TIMESTAMP'] })).toBe(
      '2024-02-29 20:40:28.987',
    );
  });

  it('make an invalid Date, or the text, of the zero date', () => {
    expect(readHex(datetime, '80 00 00 00 00 00 00 00')).toStrictEqual(new Date(NaN));
    expect(readHex(timestamp, '00 00 00 00 00 00')).toStrictEqual(new Date(NaN));
    expect(readHex(timestamp, '00 00 00 00 00 00', { dateStrings: true })).toBe('0000-00-00 00:00:00.000');
  });
});

describe('BIGINT', () => {
  const big = columnOf({ type: ColumnType.LongLong, unsigned: false });
  const unsigned = columnOf({ type: ColumnType.LongLong, unsigned: true });

  it('is exact text beyond 2^53 and a number up to it', () => {
    expect(readHex(big, 'ff ff ff ff ff ff 1f 00')).toBe(Number.MAX_SAFE_INTEGER);
    expect(readHex(big, '00 00 00 00 00 00 20 00')).toBe('9007199254740992');
    expect(readHex(big, '00 00 00 00 00 00 00 80')).toBe('-9223372036854775808');
    expect(readHex(unsigned, 'ff ff ff ff ff ff ff ff')).toBe('18446744073709551615');
    expect(readHex(unsigned, 'ff ff ff ff ff ff ff ff', { supportBigNumbers: false })).toBe(2 ** 64);
  });

  it('is always text with both of the options', () => {
    expect(readHex(big, 'ff ff ff ff ff ff ff ff', { bigNumberStrings: true })).toBe(-1);
    expect(readHex(big, 'ff ff ff ff ff ff ff ff', { supportBigNumbers: true, bigNumberStrings: true })).toBe(
      '-1',
    );
  });
});

describe('FLOAT and DOUBLE', () => {
  it('round to the digits that the server prints, ties to the even one', () => {
    expect(toSixDigits(Math.fround(1.1))).toBe(1.1);
    expect([100_000.5, 100_001.5, 1_234_565, 1_234_575].map(toSixDigits)).toStrictEqual([
      100_000, 100_002, 1_234_560, 1_234_580,
    ]);
    expect(toFixedScale(-330_408.65625, 4)).toBe(-330_408.6562);
    expect(toFixedScale(1.015, 2)).toBe(1.01);
    expect(toFixedScale(2.5, 0)).toBe(2);
    expect([toSixDigits(-0), toFixedScale(-0, 2)]).toStrictEqual([-0, -0]);
  });

  it('come out as mysql2 adds up the digits of the text', () => {
    expect(parseNumber('9.876543210987654')).toBe(9876543210987654 / 1e15);
    expect([parseNumber('-12.50'), parseNumber('1e-7'), parseNumber('-0')]).toStrictEqual([-12.5, 1e-7, -0]);
  });

  it('print in JSON as the server prints them', () => {
    expect([1, -0, 1e-15, 1e-16, 1.5e-14, 1e14, 1e15, 1430810722522437.5, 0.1].map(doubleText)).toStrictEqual(
      [
        '1.0',
        '-0.0',
        '0.000000000000001',
        '1e-16',
        '0.000000000000015',
        '100000000000000.0',
        '1e15',
        '1430810722522437.5',
        '0.1',
      ],
    );
  });
});

describe('JSON', () => {
  const json = columnOf({ type: ColumnType.Json, meta: 1 });
  const document = (hex: string) => {
    const bytes = hex.replaceAll(' ', '');
    return (bytes.length / 2).toString(16).padStart(2, '0') + bytes;
  };

  it('reads inlined and pointed-at values of a small object', () => {
    // {"a": 1, "b": "x"}
    const hex = document('00 0200 1600 1200 0100 1300 0100 05 0100 0c 1400 61 62 01 78');
    expect(readHex(json, hex)).toStrictEqual({ a: 1, b: 'x' });
    expect(readHex(json, hex, { jsonStrings: true })).toBe('{"a": 1, "b": "x"}');
  });

  it('makes an own property of the key __proto__', () => {
    const value = readHex(json, document('00 0100 1400 0b00 0900 05 0700 5f5f70726f746f5f5f'));
    expect(Object.keys(value as object)).toStrictEqual(['__proto__']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it('loses the digits of a big integer as JSON.parse does', () => {
    const hex = document('0a ff ff ff ff ff ff ff ff');
    expect(readHex(json, hex)).toBe(18446744073709552000);
    expect(readHex(json, hex, { jsonStrings: true })).toBe('18446744073709551615');
  });

  it('refuses a document whose offsets lead into itself', () => {
    const loop = document('02 0100 0700 02 0000');
    expect(() => readHex(json, loop)).toThrow('nested too deeply');
  });
});

describe('values', () => {
  it('do not keep the bytes of the event alive', () => {
    const blob = columnOf({ type: ColumnType.Blob, meta: 1, collation: 63 });
    const value = readHex(blob, '03 010203') as Buffer;
    expect(value).toStrictEqual(Buffer.from([1, 2, 3]));
  });
});
