import calculateSlot from 'cluster-key-slot';
import { expect, it } from 'vitest';
import { counterKey, eventsKeys, isOwnKey } from '../../../lib/redis/own-keys';
import { Versions } from '../../../lib/redis/version';
import { sharesSlotWithRecord, keyOfRecord, recordKey } from '../../../lib/redis/scripts/record';

const startOfEpoch = (epoch: number): string => new Versions(epoch).of({ file: '', offset: 0, row: 0 });

it('orders changes by epoch, file, offset and row, also beyond file 999999 and 4 GiB', () => {
  const inOrder = [
    startOfEpoch(1),
    new Versions(1).of({ file: 'binlog.000001', offset: 4, row: 0 }),
    new Versions(1).of({ file: 'binlog.000001', offset: 4, row: 9 }),
    new Versions(1).of({ file: 'binlog.000001', offset: 4, row: 10 }),
    new Versions(1).of({ file: 'binlog.000001', offset: 4 }),
    new Versions(1).of({ file: 'binlog.000001', offset: 157, row: 0 }),
    new Versions(1).of({ file: 'binlog.000001', offset: 2 ** 33, row: 0 }),
    new Versions(1).of({ file: 'binlog.000009', offset: 4, row: 0 }),
    new Versions(1).of({ file: 'binlog.000010', offset: 4, row: 0 }),
    new Versions(1).of({ file: 'binlog.999999', offset: 4, row: 0 }),
    new Versions(1).of({ file: 'binlog.1000000', offset: 4, row: 0 }),
    startOfEpoch(2),
    new Versions(2).of({ file: 'other.000001', offset: 4, row: 0 }),
    startOfEpoch(10),
  ];
  expect([...inOrder].sort()).toEqual(inOrder);
  expect(new Set(inOrder.map((version) => version.length)).size).toBe(1);
});

it('puts the record of a key into its slot, whatever braces and prefixes there are', () => {
  const cases = [
    ['user:1', ''],
    ['{user}:1', ''],
    ['a{user}b', ''],
    ['user:1', 'app:'],
    ['{user}:1', 'app:'],
    ['user:1', '{app}:'],
    ['a{user}', '{app}:'],
  ] as const;
  for (const [key, prefix] of cases) {
    expect(sharesSlotWithRecord(key, prefix)).toBe(true);
    const record = recordKey(key, prefix);
    expect(calculateSlot(prefix + record)).toBe(calculateSlot(prefix + key));
    expect(keyOfRecord(record, prefix)).toBe(key);
  }
  expect(new Set(['a', '{a}', ':a', ':{a}'].map((key) => recordKey(key, ''))).size).toBe(4);
  for (const key of ['a}b', 'a{}b', 'a{b', '{}']) expect(sharesSlotWithRecord(key, '')).toBe(false);
});

it('knows its own keys from those of an app', () => {
  const instance = '0b5c3e0a-3b0f-4f0e-9b8e-0f0d3c1d2b1a';
  for (const prefix of ['', 'app:', '{app}:']) {
    const counter = counterKey('default', instance, prefix);
    const shared = Object.values(eventsKeys('default', prefix));
    expect(new Set(shared).size).toBe(3);
    for (const key of [counter, ...shared]) {
      expect(isOwnKey(key)).toBe(true);
      expect(calculateSlot(prefix + key)).toBe(calculateSlot(`${prefix}cacheflow:default:checkpoint`));
    }
  }
  expect(
    [
      'cacheflow:a:checkpoint',
      'cacheflow:epochs',
      'cacheflow:a:dead-letters',
      'cacheflow:a:distribution',
    ].every(isOwnKey),
  ).toBe(true);
  expect(['cf:{user:1}', 'cf:user', 'cf:{user:1}:events', 'cacheflow:user:1', 'user:1'].some(isOwnKey)).toBe(
    false,
  );
});
