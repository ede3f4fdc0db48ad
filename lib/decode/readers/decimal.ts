import type { Cursor } from '../cursor';
import { parseNumber } from './number-text';
import type { Reader } from './reader';

// Nine decimal digits take four bytes, fewer take as many bytes as they need, big-endian; the highest bit of
// the first byte is inverted, and of a negative number all bits are (MySQL `strings/decimal.cc`, decimal2bin).

const DIGITS_PER_GROUP = 9;
const BYTES_OF_DIGITS = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

interface DecimalLayout {
  /** Digits of each group, from the left. */
  groups: readonly number[];
  /** How many of the groups stand before the point. */
  integerGroups: number;
  bytes: number;
}

function layoutOf(precision: number, scale: number): DecimalLayout {
  const integral = precision - scale;
  const before = wholeGroups(integral);
  if (integral % DIGITS_PER_GROUP > 0) before.unshift(integral % DIGITS_PER_GROUP);
  const after = wholeGroups(scale);
  if (scale % DIGITS_PER_GROUP > 0) after.push(scale % DIGITS_PER_GROUP);
  const groups = [...before, ...after];
  const bytes = groups.reduce((sum, digits) => sum + BYTES_OF_DIGITS[digits]!, 0);
  return { groups, integerGroups: before.length, bytes };
}

function wholeGroups(digits: number): number[] {
  return Array.from({ length: Math.floor(digits / DIGITS_PER_GROUP) }, () => DIGITS_PER_GROUP);
}

/** Bytes of a DECIMAL value. */
export function decimalBytes(precision: number, scale: number): number {
  return layoutOf(precision, scale).bytes;
}

/** Reads a DECIMAL as the text the server prints, or as a number. */
export function decimalReader(precision: number, scale: number, asNumber: boolean, zerofill = 0): Reader {
  const readText = decimalTextReader(precision, scale, zerofill);
  return asNumber ? (cursor) => parseNumber(readText(cursor)) : readText;
}

/** @param zerofill digits, with those after the point, to which the text is padded; 0 for none */
export function decimalTextReader(
  precision: number,
  scale: number,
  zerofill = 0,
): (cursor: Cursor) => string {
  const { groups, integerGroups, bytes } = layoutOf(precision, scale);
  const widthBeforePoint = Math.max(zerofill - scale, 0);
  return (cursor) => {
    const { buf } = cursor;
    let pos = cursor.take(bytes);
    const negative = (buf[pos]! & 0x80) === 0;
    const invert = negative ? 0xff : 0;
    let signBit = 0x80;
    let before = '';
    let after = '';
    for (let i = 0; i < groups.length; i++) {
      const digits = groups[i]!;
      const next = pos + BYTES_OF_DIGITS[digits]!;
      let value = 0;
      for (; pos < next; pos++) {
        value = value * 256 + (buf[pos]! ^ invert ^ signBit);
        signBit = 0;
      }
      if (i >= integerGroups) after += value.toString().padStart(digits, '0');
      else if (before !== '') before += value.toString().padStart(digits, '0');
      else if (value !== 0) before = value.toString();
    }
    if (before === '') before = '0';
    if (before.length < widthBeforePoint) before = before.padStart(widthBeforePoint, '0');
    const sign = negative ? '-' : '';
    return scale === 0 ? sign + before : `${sign}${before}.${after}`;
  };
}
