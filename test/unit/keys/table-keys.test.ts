import { describe, expect, it } from 'vitest';
import type { TableOptions } from '../../../lib';
import { KeyUnknownError } from '../../../lib';
import { resolveConfig } from '../../../lib/config/cacheflow.config';
import type { TableShape } from '../../../lib/change/stream';
import { TableKeys } from '../../../lib/keys/table-keys';

const shop = (table: string, columns: string[], primaryKey: string[] = []): TableShape => ({
  schema: 'shop',
  table,
  columns,
  primaryKey,
});

function keysOf(entries: Partial<TableOptions>[], ...shapes: TableShape[]): TableKeys {
  const tables = entries.map((entry) => ({ db: 'shop', table: 'orders', ...entry }));
  const config = resolveConfig({ mysql: { user: 'x' }, redis: {}, tables });
  expect(config.faults).toEqual([]);
  const keys = new TableKeys(config.rules);
  for (const shape of shapes) keys.shapes.learn(shape);
  return keys;
}

/** A source whose answers come when the test wants them. */
class SlowSource {
  readonly asked: { readonly name: string; answer(shape: TableShape | undefined): void; fail(): void }[] = [];

  constructor(keys: TableKeys) {
    keys.shapes.use(
      async ({ schema, table }) =>
        new Promise((answer, reject) => {
          this.asked.push({ name: `${schema}.${table}`, answer, fail: () => reject(new Error('away')) });
        }),
    );
  }
}

const ORDERS = shop('orders', ['id', 'tenant', 'code'], ['tenant', 'code']);

describe('keyOf', () => {
  it.each<[string, Partial<TableOptions>, TableShape | undefined, object, string]>([
    ['the default key', {}, ORDERS, { id: 5 }, 'shop:orders:5'],
    ['a whole row', {}, ORDERS, { id: 5, tenant: 't', code: null }, 'shop:orders:5'],
    ['keyFields', { keyFields: ['code', 'tenant'] }, ORDERS, { tenant: 't', code: 'c' }, 'shop:orders:c:t'],
    ['keyFields of a table never seen', { keyFields: ['code'] }, undefined, { code: 'c' }, 'shop:orders:c'],
    ['a template of a table never seen', { key: 'o:{code}:{$table}' }, undefined, { code: 1 }, 'o:1:orders'],
    ['the prefix', { prefix: 'v1:', key: 'o:{code}' }, undefined, { code: 1 }, 'v1:o:1'],
    [
      'the template of just these columns',
      { key: ['o:{id}', 'o:{id}:{code}'] },
      ORDERS,
      { id: 1, code: 2 },
      'o:1:2',
    ],
    [
      'the first template that has its columns',
      { key: ['o:{id}', 'c:{code}'] },
      ORDERS,
      { code: 2, x: 3 },
      'c:2',
    ],
    ['the first of two that have', { key: ['c:{code}', 'o:{id}'] }, ORDERS, { id: 1, code: 2 }, 'c:2'],
    ['a column that a template names twice', { key: 'o:{id}:{id}' }, ORDERS, { id: 1 }, 'o:1:1'],
    [
      'a function',
      { key: (row) => `f:${String(row['id'])}`, match: 'f:*', prefix: 'p:' },
      ORDERS,
      { id: 1 },
      'p:f:1',
    ],
    ['a list of one of a function', { key: () => ['f:1'], match: 'f:*' }, undefined, {}, 'f:1'],
    ['a big number', {}, ORDERS, { id: 9_007_199_254_740_993n }, 'shop:orders:9007199254740993'],
    ['a date', {}, ORDERS, { id: new Date(0) }, 'shop:orders:1970-01-01T00:00:00.000Z'],
    ['bytes', {}, ORDERS, { id: Buffer.from([0, 255]) }, 'shop:orders:00ff'],
    ['an empty text', {}, ORDERS, { id: '' }, 'shop:orders:'],
  ])('takes %s', (_title, options, shape, row, key) => {
    expect(keysOf([options], ...(shape ? [shape] : [])).keyOf('shop.orders', row)).toBe(key);
  });

  it('takes an exact name before a pattern, and the real names under one', () => {
    const keys = keysOf([{ table: '*' }, { table: 'orders', key: 'o:{id}' }], ORDERS, shop('items', ['id']));
    expect(keys.keyOf('shop.orders', { id: 1 })).toBe('o:1');
    expect(keys.keyOf('shop.items', { id: 1 })).toBe('shop:items:1');
  });

  const near =
    'No entry of `tables` matches shop.order, so that nobody would invalidate its keys; did you mean shop.orders?';
  it.each<[string, Partial<TableOptions>, string, object, string]>([
    ['a slip of the table', {}, 'shop.order', { id: 1 }, near],
    ['a table without database', {}, 'orders', { id: 1 }, 'No entry of `tables` matches orders, so'],
    ['nothing', {}, '', { id: 1 }, 'No entry of `tables` matches , so'],
    [
      'a column that is not there',
      {},
      'shop.orders',
      { ID: 1 },
      'A key of shop.orders is made of id, not of ID',
    ],
    ['no columns', {}, 'shop.orders', {}, 'A key of shop.orders is made of id'],
    [
      'NULL',
      {},
      'shop.orders',
      { id: null },
      'A row of shop.orders has no key, because a column of it is NULL or undefined',
    ],
    [
      'undefined',
      {},
      'shop.orders',
      { id: undefined },
      'A row of shop.orders has no key, because a column of it is NULL',
    ],
    [
      'half of a key',
      { key: ['o:{id}', 'o:{code}:{tenant}'] },
      'shop.orders',
      { code: 1 },
      'A key of shop.orders is made of id or code, tenant, not of code',
    ],
    [
      'several keys of a function',
      { key: () => ['a', 'b'], match: '*' },
      'shop.orders',
      {},
      'The key function of shop.orders makes 2 keys of this row instead of one',
    ],
    [
      'no key of a function',
      { key: () => null, match: '*' },
      'shop.orders',
      {},
      'The key function of shop.orders makes 0 keys of this row instead of one',
    ],
  ])('refuses %s', (_title, options, table, row, message) => {
    const keyOf = (): string => keysOf([options], ORDERS).keyOf(table, row);
    expect(keyOf).toThrow(KeyUnknownError);
    expect(keyOf).toThrow(message);
  });

  it('is not misled by what every object has', () => {
    const keys = keysOf([{}], shop('orders', ['valueOf', 'toString'], ['valueOf']));
    expect(keys.keyOf('shop.orders', { valueOf: 1 })).toBe('shop:orders:1');
    expect(() => keys.keyOf('shop.orders', { id: 1 })).toThrow('is made of valueOf, not of id');
  });
});

describe('What is known of tables', () => {
  it('is asked for when it is needed, once at a time, and again after a failure', async () => {
    const keys = keysOf([{}]);
    expect(await keys.columnsOf('shop.orders')).toBeUndefined();
    const source = new SlowSource(keys);
    expect(() => keys.keyOf('shop.orders', { id: 1 })).toThrow(
      'The columns of shop.orders are not known yet, because the source was not reached: try again, or name',
    );
    const [first, second] = [keys.columnsOf('shop.orders'), keys.askKeyOf('shop.orders', { id: 1 })];
    expect(source.asked.map(({ name }) => name)).toEqual(['shop.orders']);
    source.asked[0]?.fail();
    expect(await first).toBeUndefined();
    expect(await second).toBeUndefined();
    const third = keys.askKeyOf('shop.orders', { id: 1 });
    source.asked[1]?.answer(ORDERS);
    expect(await third).toBe('shop:orders:1');
    expect(keys.keyOf('shop.orders', { id: 2 })).toBe('shop:orders:2');
    expect(source.asked).toHaveLength(2);
  });

  it('is not what the source said before the table became another one', async () => {
    const keys = keysOf([{}], shop('orders', ['id'], ['id']));
    const source = new SlowSource(keys);
    const first = keys.shapes.refresh({ schema: 'shop', table: 'orders' });
    const second = keys.shapes.refresh({ schema: 'shop', table: 'orders' });
    expect(source.asked).toHaveLength(2);
    source.asked[1]?.answer(shop('orders', ['code'], ['code']));
    await second;
    source.asked[0]?.answer(shop('orders', ['id'], ['id']));
    await first;
    expect(keys.keyOf('shop.orders', { code: 1 })).toBe('shop:orders:1');
    expect(() => keys.keyOf('shop.orders', { id: 1 })).toThrow('is made of code, not of id');
  });

  it('is not replaced by an answer that is older than what the tail has seen', async () => {
    const keys = keysOf([{}]);
    const source = new SlowSource(keys);
    const early = keys.columnsOf('shop.orders');
    keys.shapes.learn(shop('orders', ['code'], ['code']));
    source.asked[0]?.answer(shop('orders', ['id'], ['id']));
    expect(await early).toEqual(['code']);
    expect(keys.keyOf('shop.orders', { code: 1 })).toBe('shop:orders:1');
  });

  it.each([
    ['the table, in another case', { schema: 'SHOP', table: 'Orders' }, ['orders']],
    ['all of the database', { schema: 'shop', table: undefined }, ['items', 'orders']],
    ['any', undefined, ['items', 'orders']],
    ['another table', { schema: 'shop', table: 'carts' }, []],
    ['another database', { schema: 'crm', table: undefined }, []],
  ])('is asked for again, and forgotten without an answer: %s', async (_title, changed, forgotten) => {
    const entries = [{ table: '*' }, { table: 'named', keyFields: ['code'] }];
    const keys = keysOf(entries, ORDERS, shop('items', ['id']), shop('named', ['code']));
    const source = new SlowSource(keys);
    const refreshed = keys.shapes.refresh(changed);
    // Not for what its columns say nothing about.
    expect(source.asked.map(({ name }) => name).sort()).toEqual(forgotten.map((table) => `shop.${table}`));
    // Until then nothing was removed from the cache either.
    expect(keys.keyOf('shop.items', { id: 1 })).toBe('shop:items:1');
    for (const question of source.asked) question.fail();
    await refreshed;
    for (const table of ['orders', 'items']) {
      const keyOf = (): string => keys.keyOf(`shop.${table}`, { id: 1 });
      if (forgotten.includes(table)) expect(keyOf).toThrow('are not known yet');
      else expect(keyOf()).toBe(`shop:${table}:1`);
    }
    expect(keys.keyOf('shop.named', { code: 1 })).toBe('shop:named:1');
  });
});

describe('A loaded row', () => {
  const byFunction = (row: Record<string, unknown>): string[] | null =>
    row['code'] === 'hidden' ? null : [`id:${String(row['id'])}`, `code:${String(row['code'])}`];
  it.each<[string, Partial<TableOptions>, string, unknown, boolean]>([
    ['has the key', {}, 'shop:orders:1', { id: 1 }, false],
    ['has another key', {}, 'shop:orders:01', { id: 1 }, true],
    ['has no columns of the key', {}, 'shop:orders:01', { code: 1 }, false],
    ['has a NULL there', {}, 'shop:orders:1', { id: null }, true],
    ['has one of several keys', { key: ['o:{id}', 'c:{code}'] }, 'c:x', { id: 1, code: 'x' }, false],
    ['has none of several keys', { key: ['o:{id}', 'c:{code}'] }, 'c:X', { id: 1, code: 'x' }, true],
    ['has columns of some keys only', { key: ['o:{id}', 'c:{code}'] }, 'c:X', { id: 1 }, false],
    [
      'has the key of a function',
      { key: byFunction, match: '*' },
      'code:x',
      { id: 1, tenant: 2, code: 'x' },
      false,
    ],
    [
      'has other keys of a function',
      { key: byFunction, match: '*' },
      'code:X',
      { id: 1, tenant: 2, code: 'x' },
      true,
    ],
    [
      'has no key of a function',
      { key: byFunction, match: '*' },
      'id:1',
      { id: 1, tenant: 2, code: 'hidden' },
      true,
    ],
    [
      'is a part only, for a function',
      { key: byFunction, match: '*' },
      'code:X',
      { id: 1, code: 'x' },
      false,
    ],
    ['is a list', {}, 'shop:orders:01', [{ id: 1 }], false],
    ['is nothing', {}, 'shop:orders:01', null, false],
  ])('%s', (_title, options, key, value, contradicts) => {
    // The columns of the form that made the key.
    const askedBy = (asked: string): object =>
      asked.startsWith('c:') ? { code: 'x' } : { id: 1, tenant: 2 };
    expect(keysOf([options], ORDERS).contradicts('shop.orders', askedBy(key), key, value)).toBe(contradicts);
  });

  it('tells nothing where the key function fails', () => {
    const key = (): never => {
      throw new Error('no');
    };
    const row = { id: 1, tenant: 2, code: 'x' };
    expect(keysOf([{ key, match: '*' }], ORDERS).contradicts('shop.orders', row, 'k', row)).toBe(false);
  });
});

describe('A key that another row may have', () => {
  const keyFields = ['tenant', 'code'];
  it.each<[string, Partial<TableOptions>, object, boolean]>([
    ['of texts without a separator', { keyFields }, { tenant: 'a', code: 'b' }, false],
    ['of a text with one', { keyFields }, { tenant: 'a:b', code: 'c' }, true],
    ['of its counterpart', { keyFields }, { tenant: 'a', code: 'b:c' }, true],
    ['of one column', { keyFields: ['code'] }, { code: 'a:b' }, false],
    ['of a date', { keyFields }, { tenant: 5, code: new Date(0) }, false],
    ['of bytes and numbers', { keyFields }, { tenant: Buffer.from(':'), code: -1.5 }, false],
    [
      'of a template with another separator',
      { key: '{tenant}|x|{code}' },
      { tenant: 'a:b', code: 'x' },
      false,
    ],
    ['of a text with that', { key: '{tenant}|x|{code}' }, { tenant: 'a', code: 'b|' }, true],
    ['of columns side by side', { key: 'x:{tenant}{code}' }, { tenant: 'a', code: 'b' }, true],
    ['of the same column twice', { key: '{code}:{code}' }, { code: 'a:b' }, false],
    ['of a column after what else stands there', { key: 'x:y:{code}:z' }, { code: ':y:' }, false],
    ['with the table between', { key: '{tenant}:{$table}:{code}' }, { tenant: 'a:b', code: 'c' }, true],
    ['of a function', { key: () => 'k', match: 'k' }, { tenant: 'a:b', code: 'c' }, false],
  ])('is one %s', (_title, options, row, isAmbiguous) => {
    expect(keysOf([options], ORDERS).isAmbiguous('shop.orders', row)).toBe(isAmbiguous);
  });
});
