import { isDeepStrictEqual } from 'node:util';

/** What a column holds, as far as it matters for a comparison. */
export type ValueKind = 'number' | 'text' | 'binary' | 'temporal' | 'json' | 'other';

const KINDS: readonly (readonly [RegExp, ValueKind])[] = [
  [/^((tiny|small|medium|big)?int|decimal|float|double|year)$/, 'number'],
  [/^(date|datetime|timestamp)$/, 'temporal'],
  [/blob$|binary$|^bit$/, 'binary'],
  [/char$|text$|^(enum|set|time|uuid|inet[46])$/, 'text'],
  [/^json$/, 'json'],
];

/** The kind of a column of this type (DATA_TYPE). */
export function kindOf(dataType: string, isJson = false): ValueKind {
  if (isJson) return 'json';
  return KINDS.find(([pattern]) => pattern.test(dataType))?.[1] ?? 'other';
}

/**
 * Whether a cached value says the same as the value of a column, whatever form the one who cached it gave it: numbers
 * and numeric text, booleans and 0 or 1, dates and their texts, bytes and their base64 or hex, JSON and its text.
 */
export function valuesAgree(cached: unknown, value: unknown, kind: ValueKind): boolean {
  if (Object.is(cached, value)) return true;
  if (isNothing(cached) || isNothing(value)) return isNothing(cached) && isNothing(value);
  switch (kind) {
    case 'number':
      return numbersAgree(cached, value);
    case 'temporal':
      return timesAgree(cached, value);
    case 'binary':
      return bytesAgree(cached, value);
    case 'json':
      return isDeepStrictEqual(plain(parsed(cached)), plain(parsed(value)));
    case 'text':
      return textsAgree(cached, value);
    case 'other':
      return bytesAgree(cached, value) || isDeepStrictEqual(plain(cached), plain(value));
  }
}

/** NULL; JSON has null for a Date that is none as well. */
function isNothing(value: unknown): boolean {
  return value === null || (value instanceof Date && Number.isNaN(value.getTime()));
}

function numbersAgree(cached: unknown, value: unknown): boolean {
  const [a, b] = [numberText(cached), numberText(value)];
  if (a === undefined || b === undefined) return String(cached) === String(value);
  // Two texts are compared digit by digit; a number has lost what it cannot hold.
  const isExact = typeof cached !== 'number' && typeof value !== 'number';
  return isExact ? canonical(a) === canonical(b) : Number(a) === Number(b);
}

function numberText(value: unknown): string | undefined {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  return typeof value === 'string' && /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value) ? value : undefined;
}

function canonical(text: string): string {
  if (/e/i.test(text)) return String(Number(text));
  const [, sign = '', whole = '', fraction = ''] = /^(-?)0*(\d*?)(?:\.(\d*?)0*)?$/.exec(text) ?? [];
  const digits = `${whole || '0'}${fraction ? `.${fraction}` : ''}`;
  return digits === '0' ? digits : sign + digits;
}

function textsAgree(cached: unknown, value: unknown): boolean {
  // A SET as a list.
  if (Array.isArray(cached)) return cached.join(',') === value;
  if (typeof cached === 'boolean') return value === (cached ? '1' : '0') || value === String(cached);
  return typeof cached === 'object' ? false : String(cached) === textOf(value);
}

function textOf(value: unknown): string {
  return Buffer.isBuffer(value) ? value.toString() : String(value);
}

/**
 * Text without a time zone is taken for UTC and for the process's own, because nobody knows whose it was; and a
 * cached date may have been cut down to its day or to its seconds.
 */
function timesAgree(cached: unknown, value: unknown): boolean {
  if (String(cached) === String(value)) return true;
  if (typeof cached === 'string' && cached.startsWith('0000-00-00'))
    return String(value).startsWith('0000-00-00');
  const instants = instantsOf(value);
  return instantsOf(cached).some((a) =>
    instants.some((b) => a === b || (Number.isInteger(a / 1_000) && a === Math.floor(b / 1_000) * 1_000)),
  );
}

function instantsOf(value: unknown): number[] {
  if (value instanceof Date) return [value.getTime()];
  // Milliseconds or seconds since 1970.
  if (typeof value === 'number') return [value, value * 1_000];
  if (typeof value !== 'string') return [];
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/.exec(value);
  if (!match) return [];
  const [, date = '', time = '00:00:00', fraction = '', zone] = match;
  const text = `${date}T${time}${fraction.slice(0, 4)}`;
  const found = zone === undefined ? [Date.parse(`${text}Z`), Date.parse(text)] : [Date.parse(text + zone)];
  return found.filter((instant) => !Number.isNaN(instant));
}

function bytesAgree(cached: unknown, value: unknown): boolean {
  if (!Buffer.isBuffer(value)) return typeof cached === 'string' && cached === value;
  if (cached instanceof Uint8Array) return value.equals(cached);
  if (typeof cached === 'string') {
    if (cached === value.toString('base64') || cached === value.toString('base64url')) return true;
    const hex = value.toString('hex');
    return (
      [hex, `0x${hex}`].includes(cached.toLowerCase()) ||
      [value.toString(), value.toString('latin1')].includes(cached)
    );
  }
  // BIT as a number or a boolean.
  if (typeof cached === 'number' || typeof cached === 'boolean' || typeof cached === 'bigint') {
    return value.length <= 8 && BigInt(`0x${value.toString('hex') || '0'}`) === toBigInt(cached);
  }
  // A Buffer that went through JSON.
  const { type, data } = cached as { type?: unknown; data?: unknown };
  return type === 'Buffer' && Array.isArray(data) && isDeepStrictEqual(data, [...value]);
}

function toBigInt(value: number | boolean | bigint): bigint | undefined {
  return typeof value === 'number' && !Number.isInteger(value) ? undefined : BigInt(value);
}

function parsed(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

/** As it looks after a way through JSON. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_name, each: unknown) => (typeof each === 'bigint' ? String(each) : each)) ??
      'null',
  ) as unknown;
}
