import { describe, expect, it } from 'vitest';
import type { TableOptions } from '../../../lib';
import type { KeyForm } from '../../../lib/keys/key-form';
import { bindKeys } from '../../../lib/keys/row-keys';
import { keyLiteral } from '../../../lib/rows/key-literal';
import type { ColumnDefinition } from '../../../lib/decode/column';
import type { ValueOptions } from '../../../lib/decode/value-options';
import { resolveConfig } from '../../../lib/config/cacheflow.config';

/** The forms of the keys of shop.orders; the default key is made of `columns`. */
function formsOf(options: Partial<TableOptions>, columns?: string[]): readonly KeyForm[] {
  const entry = { db: 'shop', table: 'orders', ...(columns ? { keyFields: columns } : {}), ...options };
  const [rule] = resolveConfig({ mysql: { user: 'x' }, redis: {}, tables: [entry] }).rules.all;
  if (!rule) throw new Error('No rule was made');
  const shape = {
    schema: 'shop',
    table: 'orders',
    columns: ['id', 'x', 'y', 't', 'n', 'a', 'b', 'c'],
    primaryKey: ['id'],
  };
  return bindKeys(rule, shape).forms ?? [];
}

function splitsOf(key: string, options: Partial<TableOptions>, columns?: string[]): unknown {
  return formsOf(options, columns).map((form) => form.split(key, () => true));
}

const isNumber = (column: string, text: string): boolean => column !== 'n' || /^\d+$/.test(text);

describe('a key is turned back', () => {
  it.each<[string, string, Partial<TableOptions>, string[] | undefined, unknown]>([
    ['of the default form', 'shop:orders:7', {}, ['id'], [[['7']]]],
    ['of another table', 'shop:order:7', {}, ['id'], [[]]],
    ['with a prefix', 'app:shop:orders:7', { prefix: 'app:' }, ['id'], [[['7']]]],
    ['of a template', 'o/7/x', { key: 'o/{id}/x' }, undefined, [[['7']]]],
    ['with names and braces', '{shop}.orders.7', { key: '{{{$db}}}.{$table}.{id}' }, undefined, [[['7']]]],
    ['of two templates', 'b:7', { key: ['a:{id}', 'b:{id}'] }, undefined, [[], [['7']]]],
    ['that names a column twice', '7-7', { key: '{id}-{id}' }, undefined, [[['7']]]],
    ['that names a column twice, and differs', '7-8', { key: '{id}-{id}' }, undefined, [[]]],
    ['with more behind it', 'o/7/xy', { key: 'o/{id}/x' }, undefined, [[]]],
  ])('%s', (_what, key, options, columns, splits) => {
    expect(splitsOf(key, options, columns)).toEqual(splits);
  });

  it('in every way that its separators allow', () => {
    expect(splitsOf('shop:orders:a:b:c', {}, ['x', 'y'])).toEqual([
      [
        ['a', 'b:c'],
        ['a:b', 'c'],
      ],
    ]);
  });

  it('only in those ways that the columns can have', () => {
    const [form] = formsOf({ key: '{t}:{n}' });
    expect(form?.split('a:7:8', isNumber)).toEqual([['a:7', '8']]);
    const [glued] = formsOf({ key: '{t}{n}' });
    expect(glued?.split('ab12', isNumber)).toEqual([
      ['ab', '12'],
      ['ab1', '2'],
    ]);
  });

  it('or not at all where there are too many ways', () => {
    const [form] = formsOf({ key: '{a}:{b}:{c}' });
    expect(form?.split(':'.repeat(200), () => true)).toBeUndefined();
  });
});

describe('the text of a column in a key', () => {
  const column = (dataType: string, more: Partial<ColumnDefinition> = {}): ColumnDefinition => ({
    name: 'c',
    dataType,
    columnType: dataType,
    charset: null,
    numericScale: null,
    generated: false,
    ...more,
  });

  it.each<[string, ColumnDefinition, string, ValueOptions, string]>([
    ['a number', column('int'), '-7', {}, '-7'],
    ['a big number', column('bigint'), '18446744073709551615', {}, '18446744073709551615'],
    ['a decimal', column('decimal'), '1.50', {}, '1.50'],
    ['text', column('varchar', { charset: 'utf8mb4' }), "it's \\ größe", {}, "'it\\'s \\\\ größe'"],
    ['bytes', column('binary'), '00ff', {}, "X'00ff'"],
    ['bits', column('bit'), '0aaa', {}, '2730'],
    ['a date as text', column('date'), '2024-02-03', { dateStrings: true }, "'2024-02-03'"],
    [
      'a Date',
      column('date'),
      '2024-02-02T19:00:00.000Z',
      { timezone: '+05:00' },
      "'2024-02-03 00:00:00.000'",
    ],
  ])('stands for %s', (_what, definition, text, options, sql) => {
    expect(keyLiteral(definition, text, options)).toEqual({ sql });
  });

  it.each<[string, ColumnDefinition, string, ValueOptions]>([
    ['letters for a number', column('int'), 'list', {}],
    ['an injection', column('bigint'), '1) OR (1=1', {}],
    ['no hex', column('binary'), 'xyz', {}],
    ['no date', column('date'), 'today', { dateStrings: true }],
    ['another form of a date', column('datetime'), '2024-02-03', { timezone: 'Z' }],
  ])('cannot be %s', (_what, definition, text, options) => {
    expect(keyLiteral(definition, text, options)).toBe('impossible');
  });

  it.each<[string, ColumnDefinition, string, ValueOptions]>([
    ['a float', column('float'), '1.1', {}],
    ['JSON', column('json'), '{}', {}],
    ['JSON of MariaDB', column('longtext', { json: true, charset: 'utf8mb4' }), '{}', {}],
    ['a TIMESTAMP', column('timestamp'), '2024-02-03T00:00:00.000Z', { timezone: 'Z' }],
    ['a Date where clocks are turned', column('date'), '2024-02-03T00:00:00.000Z', {}],
    [
      'microseconds',
      column('datetime', { columnType: 'datetime(6)' }),
      '2024-02-03T00:00:00.000Z',
      { timezone: 'Z' },
    ],
    ['rounded digits', column('bigint'), '9007199254740992', { supportBigNumbers: false }],
    ['a rounded decimal', column('decimal'), '1234567890123456.5', { decimalNumbers: true }],
    ['letters of an old character set', column('varchar', { charset: 'latin1' }), 'größe', {}],
  ])('is not turned back where it is %s', (_what, definition, text, options) => {
    expect(keyLiteral(definition, text, options)).toBe('unknown');
  });
});
