import { expect, it } from 'vitest';
import { lockName } from '../../../lib/group/lock-name';

const ID = '0f8fad5b-d9cb-469f-a165-70867728950e';

it('is readable, and holds what tells groups of one name apart', () => {
  expect(lockName('default', ID)).toBe('cacheflow:default:0f8fad5bd9cb469f');
  expect(lockName('default', '1f8fad5b-d9cb-469f-a165-70867728950e')).not.toBe(lockName('default', ID));
});

it.each(['Orders', 'x'.repeat(38), 'x'.repeat(500), 'größe', "o'brien", 'a b', ''])(
  'fits into 64 characters that no server changes, for %j',
  (name) => {
    const lock = lockName(name, ID);
    expect(lock).toMatch(/^[\w:]{1,64}$/);
    expect(lock).toBe(lock.toLowerCase());
    expect(lock).toBe(lockName(name, ID));
  },
);

it('is another one for names that differ by case alone', () => {
  expect(lockName('Orders', ID)).not.toBe(lockName('orders', ID));
  expect(lockName('ORDERS', ID)).not.toBe(lockName('Orders', ID));
});

it('is as long as may be at 37 characters', () => {
  expect(lockName('x'.repeat(37), ID)).toBe(`cacheflow:${'x'.repeat(37)}:0f8fad5bd9cb469f`);
});
