import { expect, it } from 'vitest';
import { TablePattern } from '../../../lib/keys/table-pattern';

it.each([
  ['shop.orders', 'shop', 'orders', true],
  ['shop.orders', 'shop', 'orders_2', false],
  ['shop.*', 'shop', 'anything', true],
  ['*.orders', 'crm', 'orders', true],
  ['*.orders', 'crm', 'old_orders', false],
  ['sh*p.o*s', 'shop', 'orders', true],
  ['*', 'any', 'any', true],
  ['shop.a.b', 'shop', 'a.b', true],
  ['shop.or.ers', 'shop', 'orders', false],
])('%s on %s.%s: %s', (pattern, schema, table, matches) => {
  expect(new TablePattern(pattern).matches(schema, table)).toBe(matches);
});

it.each(['', 'orders', '.orders', 'shop.'])('"%s" is no pattern', (pattern) => {
  expect(() => new TablePattern(pattern)).toThrow(/is no table pattern/);
});
