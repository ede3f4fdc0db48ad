import { describe, expect, it } from 'vitest';
import type { ValueKind } from '../../../lib/audit/values-agree';
import { kindOf, valuesAgree } from '../../../lib/audit/values-agree';

const NOON = new Date('2024-02-03T12:00:00.250Z');
const BYTES = Buffer.from([0x00, 0xff, 0x10]);
/** A wall clock as it reads where this process is. */
const LOCAL = new Date(2024, 1, 3, 4, 5, 6);

describe('a cached value agrees with that of a column', () => {
  it.each<[ValueKind, unknown, unknown]>([
    ['number', 1.5, '1.50'],
    ['number', '1.50', 1.5],
    ['number', '-0.0', '0'],
    ['number', '007', '7'],
    ['number', true, 1],
    ['number', false, '0'],
    ['number', '18446744073709551615', '18446744073709551615'],
    ['number', 18446744073709552000, '18446744073709551615'],
    ['number', '9007199254740993', 9007199254740993n],
    ['number', null, null],
    ['text', 'größe', 'größe'],
    ['text', 7, '7'],
    ['text', ['x', 'y'], 'x,y'],
    ['temporal', NOON.toISOString(), NOON],
    ['temporal', '2024-02-03 12:00:00.25', NOON],
    ['temporal', '2024-02-03T12:00:00Z', NOON],
    ['temporal', NOON.getTime(), NOON],
    ['temporal', Math.floor(NOON.getTime() / 1000), NOON],
    ['temporal', NOON, '2024-02-03 12:00:00.250'],
    ['temporal', '2024-02-03 04:05:06', LOCAL],
    ['temporal', '2024-02-03', new Date('2024-02-03T00:00:00Z')],
    ['temporal', null, new Date(Number.NaN)],
    ['temporal', '0000-00-00 00:00:00', '0000-00-00 00:00:00.000'],
    ['binary', 'AP8Q', BYTES],
    ['binary', '00FF10', BYTES],
    ['binary', '0x00ff10', BYTES],
    ['binary', { type: 'Buffer', data: [0, 255, 16] }, BYTES],
    ['binary', BYTES, BYTES],
    ['binary', 65296, BYTES],
    ['binary', true, Buffer.from([1])],
    ['json', { b: 1, a: [1, 'x'] }, { a: [1, 'x'], b: 1 }],
    ['json', { a: 1 }, '{"a": 1.0}'],
    ['json', '[1]', [1]],
    ['other', { x: 1, y: 2 }, { x: 1, y: 2 }],
  ])('%s: %s and %s', (kind, cached, value) => {
    expect(valuesAgree(cached, value, kind)).toBe(true);
  });
});

describe('a cached value differs from that of a column', () => {
  it.each<[ValueKind, unknown, unknown]>([
    ['number', 1, 2],
    ['number', '9007199254740993', '9007199254740992'],
    ['number', '1.50', '1.51'],
    ['number', null, 0],
    ['number', 0, null],
    ['number', '', 0],
    ['number', '-1', '1'],
    ['text', '7', '07'],
    ['text', null, ''],
    ['text', 'Bob', 'bob'],
    ['text', { a: 1 }, '[object Object]'],
    ['temporal', '2024-02-03T12:00:01Z', NOON],
    ['temporal', '2024-02-03T12:00:00.251Z', NOON],
    ['temporal', 'yesterday', NOON],
    ['temporal', null, NOON],
    ['binary', 'AP8R', BYTES],
    ['binary', { type: 'Buffer', data: [0, 255, 17] }, BYTES],
    ['binary', 1, Buffer.from([2])],
    ['binary', 1.5, Buffer.from([1])],
    ['json', { a: 1 }, { a: 2 }],
    ['json', { a: 1 }, { a: 1, b: 2 }],
    ['other', { x: 1, y: 2 }, { x: 1, y: 3 }],
  ])('%s: %s and %s', (kind, cached, value) => {
    expect(valuesAgree(cached, value, kind)).toBe(false);
  });
});

it.each([
  ['bigint', 'number'],
  ['point', 'other'],
  ['timestamp', 'temporal'],
  ['time', 'text'],
  ['varbinary', 'binary'],
  ['bit', 'binary'],
  ['mediumtext', 'text'],
  ['json', 'json'],
])('a column of the type %s holds %s', (type, kind) => {
  expect(kindOf(type)).toBe(kind);
});

it('a text column of MariaDB that holds JSON is known by its check', () => {
  expect(kindOf('longtext', true)).toBe('json');
});
