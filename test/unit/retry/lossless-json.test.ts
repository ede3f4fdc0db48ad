import { expect, it } from 'vitest';
import { decodeCommand, encodeCommand } from '../../../lib/retry/command-codec';
import type { ParkedCommand } from '../../../lib/retry/parked-command';
import { decodeValue, encodeValue } from '../../../lib/retry/lossless-json';

const again = (value: unknown): unknown => decodeValue(encodeValue(value));

it.each([
  ['a string', 'text "quoted" \u2028 \ud83d\ude00'],
  ['numbers', [0, -0, 1.5, Number.MAX_SAFE_INTEGER, NaN, Infinity, -Infinity]],
  ['big integers', [9_223_372_036_854_775_807n, -1n]],
  ['text of big integers', '18446744073709551615'],
  ['bytes', Buffer.from([0, 255, 128, 10])],
  ['no bytes', Buffer.alloc(0)],
  ['a date', new Date('2024-02-29T12:34:56.789Z')],
  ['null and undefined', [null, undefined, { a: undefined, b: null }]],
  ['booleans', [true, false]],
  ['arrays that look like tags', ['n', 'u', ['a'], ['d', null], []]],
  ['objects in arrays in objects', { a: [{ b: [{ c: new Date(0) }] }] }],
])('gives back %s', (_name, value) => {
  expect(again(value)).toStrictEqual(value);
});

it('gives back a date that is none', () => {
  const date = again({ date: new Date(Number.NaN) }) as { date: Date };
  expect(date.date).toBeInstanceOf(Date);
  expect(date.date.getTime()).toBeNaN();
});

it('gives back Buffers, not plain bytes', () => {
  expect(Buffer.isBuffer(again(Buffer.from('x')))).toBe(true);
});

it('takes the key __proto__ for a name like any other', () => {
  const row = JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1, "toString": 2}') as object;
  const decoded = again(row) as Record<string, unknown>;
  expect(Object.keys(decoded)).toEqual(['__proto__', 'constructor', 'toString']);
  expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
  expect(decoded['polluted']).toBeUndefined();
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

it('refuses what it did not make', () => {
  expect(() => decodeValue('["x", 1]')).toThrow(SyntaxError);
  expect(() => encodeValue({ call: () => 1 })).toThrow(TypeError);
});

const COMMAND: ParkedCommand = {
  id: 'b3c1',
  work: {
    kind: 'strategy',
    event: {
      action: 'update',
      schema: 'shop',
      table: 'users',
      before: { id: 9_223_372_036_854_775_807n, photo: Buffer.from([1, 2]), seen: new Date(Number.NaN) },
      after: { id: '18446744073709551615', photo: null, seen: new Date(1_700_000_000_123) },
      position: { file: 'binlog.000007', offset: 4, row: 2 },
      timestamp: 1_700_000_000_000,
    },
    keys: ['a', 'b'],
    version: '1/7/4/2',
  },
  table: undefined,
  position: { file: 'binlog.000007', offset: 4 },
  reason: 'OOM',
  attempts: 1,
  parkedAt: 1_700_000_000_000,
};

it('gives back a whole command', () => {
  expect(decodeCommand(encodeCommand(COMMAND))).toStrictEqual(COMMAND);
});

it.each([
  'no json',
  '',
  'null',
  '["u"]',
  '{}',
  encodeValue({ ...COMMAND, work: { kind: 'drop' } }),
  encodeValue({ ...COMMAND, id: 1 }),
  encodeValue({ ...COMMAND, position: undefined }),
  encodeValue({ ...COMMAND, work: null }),
])('does not take for a command: %s', (text) => {
  expect(() => decodeCommand(text)).toThrow(/^It is no (text of ours|parked command)$/);
});
