import { describe, expect, it } from 'vitest';
import { resolveColumns } from '../../../lib/decode/column';
import { ColumnType } from '../../../lib/decode/column-type';
import { Cursor } from '../../../lib/decode/cursor';
import { isRowsEvent, RowDecodeError, RowsDecoder } from '../../../lib/decode/rows-decoder';
import { tableMap } from './support';

const COLUMNS = resolveColumns(
  tableMap([
    { name: 'id', type: ColumnType.Long, unsigned: false },
    { name: 'secret', type: ColumnType.Varchar, meta: 40, collation: 45 },
    { name: 'age', type: ColumnType.Tiny, unsigned: true },
  ]),
  undefined,
);
const HEAD = '070000000000 0100 0200 03';

function decode(type: number, hex: string, wanted?: ReadonlySet<string>) {
  const buffer = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  return new RowsDecoder(COLUMNS, {}, wanted).decode(type, new Cursor(buffer, 0, buffer.length));
}

describe('a row event', () => {
  it('gives its rows, NULL as null', () => {
    const images = decode(30, `${HEAD} 07  00 01000000 02 6869 09  06 02000000`);
    expect(images).toStrictEqual([
      { before: null, after: { id: 1, secret: 'hi', age: 9 }, beforeComplete: false, afterComplete: true },
      { before: null, after: { id: 2, secret: null, age: null }, beforeComplete: false, afterComplete: true },
    ]);
  });

  it('leaves out what the image leaves out, and completes an update from its before image', () => {
    const [minimal] = decode(31, `${HEAD} 01 04  00 01000000  00 2a`);
    expect(minimal).toStrictEqual({
      before: { id: 1 },
      after: { id: 1, age: 42 },
      beforeComplete: false,
      afterComplete: false,
    });
    const [overlaid] = decode(31, `${HEAD} 07 02  00 01000000 01 61 05  01`);
    expect(overlaid).toStrictEqual({
      before: { id: 1, secret: 'a', age: 5 },
      after: { id: 1, secret: null, age: 5 },
      beforeComplete: true,
      afterComplete: true,
    });
  });

  it('reads only the wanted columns, and is complete with them', () => {
    const images = decode(32, `${HEAD} 07  00 01000000 02 6869 09  06 02000000`, new Set(['id']));
    expect(images.map(({ before, beforeComplete }) => [before, beforeComplete])).toStrictEqual([
      [{ id: 1 }, true],
      [{ id: 2 }, true],
    ]);
  });

  it('of version 1 has no extra data', () => {
    expect(decode(23, '070000000000 0100 03 07  06 02000000')[0]!.after!['id']).toBe(2);
  });

  it('is known by its type', () => {
    const types = Array.from({ length: 256 }, (_, i) => i).filter(isRowsEvent);
    expect(types).toStrictEqual([23, 24, 25, 30, 31, 32, 166, 167, 168, 169, 170, 171]);
  });
});

describe('a row event that cannot be decoded', () => {
  const secret = Buffer.from('top secret').toString('hex');

  it('names the event, the row and the column, and no value', () => {
    const hex = `${HEAD} 07  00 01000000 02 6869 09  00 02000000 7f ${secret}`;
    expect(() => decode(30, hex)).toThrow(RowDecodeError);
    expect(() => decode(30, hex)).toThrow(
      'Row 2 of an event of type 30, column secret (Varchar) cannot be decoded: ' +
        'a length points past the end of the event.',
    );
  });

  it('is noticed too when the broken column is passed over', () => {
    const hex = `${HEAD} 07  00 01000000 7f ${secret}`;
    expect(() => decode(30, hex, new Set(['id']))).toThrow('it ends past the end of the event');
  });

  it('is noticed when the event has other columns than the table', () => {
    expect(() => decode(30, '070000000000 0100 0200 02 03 00 01000000 00')).toThrow(
      'it has 2 columns where the table map has 3',
    );
  });

  it.each(Array.from({ length: 21 }, (_, i) => i))(
    'cut after byte %i ends in an error that shows nothing',
    (length) => {
      const whole = Buffer.from(`${HEAD} 07 00 01000000 0a ${secret} 09`.replaceAll(' ', ''), 'hex');
      const cut = whole.subarray(0, length);
      expect(() => new RowsDecoder(COLUMNS, {}).decode(30, new Cursor(cut, 0, cut.length))).toThrow(
        /^(?!.*(top|secret t)).*decoded/,
      );
    },
  );
});
