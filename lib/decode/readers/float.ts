import type { Column } from '../column';
import { ColumnType } from '../column-type';
import type { Cursor } from '../cursor';
import { parseNumber } from './number-text';
import type { Reader } from './reader';

// IEEE 754, little-endian. What a SELECT returns is the server's text of it: six significant digits for FLOAT,
// the shortest exact ones for DOUBLE (MySQL `strings/dtoa.cc`, my_gcvt), and a fixed number of digits after the
// point for FLOAT(M,D) and DOUBLE(M,D) (my_fcvt).

export function floatReader({ map, fixedScale }: Column): Reader {
  const read = map.type === ColumnType.Float ? readFloat : readDouble;
  if (fixedScale !== undefined) return (cursor) => toFixedScale(read(cursor), fixedScale);
  return map.type === ColumnType.Float
    ? (cursor) => toSixDigits(readFloat(cursor))
    : (cursor) => asMysql2Reads(readDouble(cursor));
}

/** Rounds to this many digits after the point, a tie to the even digit. */
export function toFixedScale(value: number, scale: number): number {
  // toFixed forgets the sign of zero, the server does not.
  if (value === 0) return value;
  const text = value.toFixed(scale);
  if (!isTie(value, scale) || /[02468]$/.test(text)) return parseNumber(text);
  // toFixed rounds a tie away from zero: one digit more ends in the 5, and before it stands the even digit.
  return parseNumber(
    value
      .toFixed(scale + 1)
      .slice(0, -1)
      .replace(/\.$/, ''),
  );
}

/** More digits than a double has, so that a 5 with nothing but zeros behind it is exact. */
const TIE = `5${'0'.repeat(24)}`;

function isTie(value: number, scale: number): boolean {
  return value.toFixed(scale + TIE.length).endsWith(TIE);
}

const bytes = new Uint8Array(8);
const view = new DataView(bytes.buffer);

function readFloat(cursor: Cursor): number {
  const { buf } = cursor;
  const start = cursor.take(4);
  for (let i = 0; i < 4; i++) bytes[i] = buf[start + i]!;
  return view.getFloat32(0, true);
}

function readDouble(cursor: Cursor): number {
  const { buf } = cursor;
  const start = cursor.take(8);
  for (let i = 0; i < 8; i++) bytes[i] = buf[start + i]!;
  return view.getFloat64(0, true);
}

/** Rounds to six significant digits, a tie to the even digit as the server does (100000.5 prints 100000). */
export function toSixDigits(value: number): number {
  const magnitude = Math.abs(value);
  if (value === 0) return value;
  if (!(magnitude >= 1e-6 && magnitude < 1e6)) return toSixDigitsByText(value);
  // The products are exact: a float's 24 bits and a power of ten up to 10^12 fit into a double.
  let scale = 1;
  while (magnitude * scale < 100_000) scale *= 10;
  const scaled = magnitude * scale;
  let digits = Math.floor(scaled);
  const rest = scaled - digits;
  if (rest > 0.5 || (rest === 0.5 && digits % 2 === 1)) digits++;
  return value < 0 ? -digits / scale : digits / scale;
}

function toSixDigitsByText(value: number): number {
  const six = value.toExponential(5);
  const [mantissa, exponent] = value.toExponential(6).split('e') as [string, string];
  const tie = mantissa.endsWith('5') && Number(`${mantissa}e${exponent}`) === value;
  if (!tie) return Number(six);
  // toExponential rounds a tie away from zero; the digit before the 5 is the even one or odd.
  const below = mantissa.slice(0, -1);
  return Number(below.at(-1)) % 2 === 0 ? Number(`${below}e${exponent}`) : Number(six);
}

/**
 * A double as mysql2 reads its text. Only 16 significant digits in 17 characters come out differently (see
 * parseNumber); the division rules that out for most values without making the text.
 */
function asMysql2Reads(value: number): number {
  if (!(value >= 1 && value < 1e15)) return value;
  const scaled = Math.round(value * 10_000);
  if (scaled < 1e15 && scaled / 10_000 === value) return value;
  const text = String(value);
  return text.length === 17 ? parseNumber(text) : value;
}
