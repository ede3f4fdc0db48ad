import { expect, it } from 'vitest';
import type { RowChange } from '../../../lib/change/stream';
import { jsonSerializer } from '../../../lib/options/cache-serializer';
import { FlushSet } from '../../../lib/strategy/flush-set';
import type { VersionedPlan } from '../../../lib/strategy/write-plan';
import { WritePlan } from '../../../lib/strategy/write-plan';
import type { TableFlush } from '../../../lib/change/stream';

function changeTo(value: number): RowChange {
  return {
    kind: 'row',
    action: 'update',
    table: { schema: 's', table: 't', columns: ['v'], primaryKey: [] },
    projected: false,
    before: {},
    after: { value },
    beforeComplete: true,
    afterComplete: true,
    position: { file: 'f.1', offset: 4, row: 0 },
    gtid: undefined,
    timestamp: 0,
  };
}

it('keeps the last thing that happened to each key', () => {
  const plan = new WritePlan();
  const set = (key: string, action: VersionedPlan['action'], value: number): VersionedPlan => {
    const planned = { key, action, change: changeTo(value), ttlSeconds: value };
    plan.set(planned);
    return planned;
  };
  set('a', 'write', 0);
  plan.remove('b', changeTo(1));
  set('d', 'write', 1);
  const lastOfA = set('a', 'tombstone', 2);
  const lastOfB = set('b', 'write', 3);
  const lastOfC = set('c', 'write', 4);
  plan.remove('d', changeTo(5));
  expect([...plan.versioned]).toEqual([lastOfA, lastOfB, lastOfC]);
  expect([...plan.removals]).toEqual(['d']);
  expect(['a', 'd', 'x'].map((key) => plan.changeOf(key))).toEqual([lastOfA.change, changeTo(5), undefined]);
});

it('keeps the latest flush of a table, and only that of all tables when there is one', () => {
  const flushOf = (table: TableFlush['table'], offset: number): TableFlush => ({
    kind: 'flush',
    table,
    position: { file: 'f.1', offset },
  });
  const set = new FlushSet();
  const a = { schema: 's', table: 'a' };
  const b = { schema: 's', table: 'b' };
  for (const flush of [flushOf(a, 4), flushOf(b, 5), flushOf(a, 6)]) set.add(flush);
  expect([...set]).toEqual([flushOf(a, 6), flushOf(b, 5)]);
  for (const flush of [flushOf(undefined, 7), flushOf(a, 8)]) set.add(flush);
  expect([...set]).toEqual([flushOf(undefined, 8)]);
});

it('writes a row as JSON.stringify does, with binary columns as base64', () => {
  const row = {
    id: '18446744073709551615',
    at: new Date('2024-01-01T00:00:00Z'),
    never: null,
    tags: { a: [1, 'ä'] },
    price: '1.10',
  };
  expect(jsonSerializer.serialize(row)).toBe(JSON.stringify(row));
  const bytes = Buffer.from([0, 255, 128]);
  const binary = { id: 1, token: bytes, other: Buffer.alloc(0) };
  expect(jsonSerializer.serialize(binary)).toBe('{"id":1,"token":"AP+A","other":""}');
  expect(binary.token).toBe(bytes);
});
