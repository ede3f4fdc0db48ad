import { describe, expect, it } from 'vitest';
import { KeyTemplate } from '../../../lib/keys/key-template';
import { keyText } from '../../../lib/keys/key-text';
import { escapePattern } from '../../../lib/keys/patterns';

const NAME = { schema: 'shop', table: 'orders' };

describe('a key template', () => {
  it.each([
    ['profile:{user_id}', { user_id: 5 }, 'profile:5'],
    ['{$db}/{$table}/{id}', { id: 'a' }, 'shop/orders/a'],
    ['{a}{b}', { a: 1, b: 2 }, '12'],
    ['{{{tag}}}:{id}', { tag: 't', id: 1 }, '{t}:1'],
    ['{{literal}}:{id}', { id: 1 }, '{literal}:1'],
    ['{odd name!}', { 'odd name!': 'x' }, 'x'],
  ])('%s renders', (source, row, key) => {
    expect(KeyTemplate.parse(source).bind('', NAME).keyOf(row)).toBe(key);
  });

  it('gives no key for a NULL and cannot tell for an absent column', () => {
    const template = KeyTemplate.parse('{a}:{b}');
    const form = template.bind('', NAME);
    expect(form.keyOf({ a: 1, b: null })).toBeNull();
    expect(form.keyOf({ a: 1 })).toBeUndefined();
    expect(template.columns).toEqual(['a', 'b']);
  });

  it.each(['', 'constant', '{$db}:{$table}', '{{id}}'])(
    '"%s" is refused, because all rows would share a key',
    (source) => {
      expect(() => KeyTemplate.parse(source)).toThrow(/names no column/);
    },
  );

  it.each([
    ['user:{', 6],
    ['user:}', 6],
    ['user:{}', 6],
    ['user:{ }:{id}', 6],
    ['{id}:{a{b}', 6],
  ])('"%s" is refused with the place of the brace', (source, place) => {
    expect(() => KeyTemplate.parse(source)).toThrow(`at character ${place};`);
  });

  it.each([
    ['profile:{user_id}', 'profile:*'],
    ['a*b[{id}]?', String.raw`a\*b\[*\]\?`],
    ['{$db}:{$table}:{id}', String.raw`shop:orders:*`],
  ])('%s has a pattern that matches its keys and no others', (source, pattern) => {
    expect(KeyTemplate.parse(source).pattern(NAME)).toBe(pattern);
  });

  it('keeps * in names for a rule of many tables', () => {
    expect(KeyTemplate.parse('{$db}:{id}').pattern({ schema: 'sh[op]_*', table: 'x' })).toBe(
      String.raw`sh\[op\]_*:*`,
    );
  });
});

describe('keyText', () => {
  it.each([
    ['text', 'text'],
    ['', ''],
    [1_230_000_000, '1230000000'],
    [-0.5, '-0.5'],
    [10n ** 18n, '1000000000000000000'],
    [true, 'true'],
    [Buffer.from([0, 255, 16]), '00ff10'],
    [new Date('2024-02-29T12:00:00.5Z'), '2024-02-29T12:00:00.500Z'],
    [new Date(Number.NaN), '0000-00-00'],
    [{ a: [1] }, '{"a":[1]}'],
    [null, null],
    [undefined, undefined],
  ])('%s becomes %s', (value, text) => {
    expect(keyText(value)).toBe(text);
  });
});

it('escapePattern escapes all that SCAN MATCH gives a meaning', () => {
  expect(escapePattern('a\\b*c?d[e]f-g')).toBe(String.raw`a\\b\*c\?d\[e\]f-g`);
});
