import { describe, expect, it } from 'vitest';
import type { TableRule } from '../../../lib/keys/table-rules';
import { TableRules } from '../../../lib/keys/table-rules';

function rulesOf(...names: string[]): TableRules {
  return new TableRules(
    names.map((name, index): TableRule => {
      const [db = '', table = ''] = name.split('.');
      const key = { kind: 'default', fields: undefined } as const;
      return {
        index,
        db,
        table,
        strategy: 'cache-aside',
        key,
        prefix: '',
        invalidates: undefined,
        match: [],
        ttlSeconds: undefined,
        compare: undefined,
      };
    }),
  );
}

describe('the rule of a table', () => {
  it.each([
    ['the exact name, wherever it stands', ['*.*', 'shop.*', 'shop.orders'], 2],
    ['the exact database before a pattern for both', ['*.orders', 'shop.*'], 1],
    ['the first of equals', ['s*.*', '*p.orders'], 0],
    ['the first of equals with an exact database', ['shop.*', 'shop.ord*'], 0],
  ])('is %s', (_title, names, index) => {
    expect(rulesOf(...names).find('shop', 'orders')?.index).toBe(index);
  });

  it('takes all but * literally, and the whole name', () => {
    const rules = rulesOf('a.b+c', 'x.(y', 'my*db.t*');
    expect(rules.find('a', 'b+c')?.index).toBe(0);
    expect(rules.find('a', 'bbc')).toBeUndefined();
    expect(rules.find('x', '(y')?.index).toBe(1);
    expect(rules.find('my_1_db', 't')?.index).toBe(2);
    expect(rules.find('my_1_dbx', 't')).toBeUndefined();
    expect(rules.find('my\ndb', 't\n')?.index).toBe(2);
    expect(rules.find('MYdb', 't')).toBeUndefined();
  });

  it('does not mix up names that look alike when joined', () => {
    const rules = rulesOf('a.b.c', 'ab.c');
    expect(rules.find('ab', 'c')?.index).toBe(1);
    expect(rules.find('a', 'bc')).toBeUndefined();
    expect(rules.find('ab', 'c')?.index).toBe(1);
  });
});
