import { describe, expect, it } from 'vitest';
import type { CacheflowOptions, TableOptions } from '../../../lib';
import { resolveConfig } from '../../../lib/config/cacheflow.config';
import type { TableShape } from '../../../lib/change/stream';
import { NoUsableKeyError, bindKeys, keyPatterns } from '../../../lib/keys/row-keys';
import type { TableRule } from '../../../lib/keys/table-rules';

function ruleOf(options: Partial<TableOptions>): TableRule {
  const entry = { db: 'shop', table: 'orders', ...options };
  const config: CacheflowOptions = { mysql: { user: 'x' }, redis: {}, tables: [entry] };
  const { rules, faults } = resolveConfig(config);
  expect(faults).toEqual([]);
  const [rule] = rules.all;
  if (!rule) throw new Error('No rule was made');
  return rule;
}

function shapeOf(columns: string[], primaryKey: string[] = []): TableShape {
  return { schema: 'shop', table: 'orders', columns, primaryKey };
}

describe('the default key', () => {
  it.each([
    [
      'keyFields before all else',
      { keyFields: ['tenant', 'code'] },
      ['id', 'tenant', 'code'],
      ['id'],
      'shop:orders:t:c',
    ],
    ['id before the primary key', {}, ['id', 'tenant', 'code'], ['tenant'], 'shop:orders:1'],
    ['the primary key without an id', {}, ['tenant', 'code'], ['code', 'tenant'], 'shop:orders:c:t'],
    ['a prefix in front', { prefix: 'app:' }, ['id'], [], 'app:shop:orders:1'],
    ['the real names under a wildcard', { db: '*', table: 'o*' }, ['id'], [], 'shop:orders:1'],
  ])('takes %s', (_title, options, columns, primaryKey, key) => {
    const builder = bindKeys(ruleOf(options), shapeOf(columns, primaryKey));
    expect(builder.keysOf({ id: 1, tenant: 't', code: 'c' }, true)).toEqual([key]);
  });

  it('is none for a NULL, and unknown without the column', () => {
    const builder = bindKeys(ruleOf({ keyFields: ['a', 'b'] }), shapeOf(['a', 'b']));
    expect(builder.keysOf({ a: 1, b: null }, true)).toEqual([]);
    expect(builder.keysOf({ a: 1 }, false)).toBeUndefined();
    expect(builder.columns).toEqual(['a', 'b']);
  });

  it('cannot be made without an id, a primary key or the columns it names', () => {
    expect(() => bindKeys(ruleOf({}), shapeOf(['a', 'b']))).toThrow(NoUsableKeyError);
    expect(() => bindKeys(ruleOf({ keyFields: ['c'] }), shapeOf(['a', 'b']))).toThrow(
      'it has no column `c`; its columns are a, b',
    );
    expect(() => bindKeys(ruleOf({ key: 'x:{c}' }), shapeOf(['a']))).toThrow('no column `c`');
  });
});

describe('templates and functions', () => {
  it('make several keys, and leave out those with a NULL', () => {
    const builder = bindKeys(ruleOf({ key: ['a:{id}', 'b:{mail}'], prefix: 'p:' }), shapeOf(['id', 'mail']));
    expect(builder.keysOf({ id: 1, mail: 'm' }, true)).toEqual(['p:a:1', 'p:b:m']);
    expect(builder.keysOf({ id: 1, mail: null }, true)).toEqual(['p:a:1']);
    expect(builder.keysOf({ id: 1 }, false)).toBeUndefined();
    expect(builder.columns).toEqual(['id', 'mail']);
  });

  it.each([
    ['x', ['p:x']],
    [
      ['x', 'y'],
      ['p:x', 'p:y'],
    ],
    [[], []],
    [null, []],
    [undefined, []],
  ])('a function that returns %j makes %j', (result, keys) => {
    const builder = bindKeys(ruleOf({ key: () => result, match: '*', prefix: 'p:' }), shapeOf(['id']));
    expect(builder.keysOf({ id: 1 }, true)).toEqual(keys);
    expect(builder.columns).toBeUndefined();
  });

  it.each([5, '', ['a', ''], [null], {}])(
    'a function that returns %j is an error without its values',
    (result) => {
      const key = () => result as unknown as string;
      const builder = bindKeys(ruleOf({ key, match: '*' }), shapeOf(['id']));
      expect(() => builder.keysOf({ id: 1 }, true)).toThrow(
        /a function that makes keys has to return strings, got (number|an empty one|object)/,
      );
    },
  );

  it('a function is not shown half a row', () => {
    const key = (): string => {
      throw new Error('It was called');
    };
    const builder = bindKeys(ruleOf({ key, match: '*' }), shapeOf(['id']));
    expect(builder.keysOf({ id: 1 }, false)).toBeUndefined();
  });
});

describe('the patterns of a table', () => {
  it.each([
    ['of a default key', {}, ['shop:orders:*']],
    ['of a wildcard rule', { db: 'sh*', table: '*', prefix: 'a*:' }, [String.raw`a\*:sh*:*:*`]],
    ['of templates', { key: ['a:{id}', '{mail}:b'], prefix: 'p:' }, ['p:a:*', 'p:*:b']],
    ['of a function', { key: () => 'k', match: ['k:*', 'm?'], prefix: 'p:' }, ['p:k:*', 'p:m?']],
  ])('%s', (_title, options, patterns) => {
    const rule = ruleOf(options);
    expect(keyPatterns(rule, { schema: rule.db, table: rule.table })).toEqual(patterns);
  });
});
