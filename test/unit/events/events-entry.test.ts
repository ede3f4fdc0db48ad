import { expect, it } from 'vitest';
import type { RowChange } from '../../../lib/change/stream';
import { decodeItems, encodeChange, encodeGap, toEntries } from '../../../lib/events/everywhere/events-entry';

const change = (id: number, blob: unknown = null): RowChange => ({
  kind: 'row',
  action: 'insert',
  table: { schema: 'shop', table: 'orders', columns: ['id', 'blob'], primaryKey: ['id'] },
  projected: false,
  before: null,
  after: { id, blob },
  beforeComplete: true,
  afterComplete: true,
  position: { file: 'binlog.000001', offset: 4, row: id },
  gtid: undefined,
  timestamp: 1_000,
});
const stretch = { origin: 'a:1', from: undefined, to: undefined, whole: false, done: true };

it('gives back every kind of value', () => {
  const values = [
    1n << 63n,
    Buffer.from([0, 255]),
    new Date(5),
    new Date(NaN),
    undefined,
    [1, ['u']],
    -0,
    '["n","1"]',
  ];
  const [entry] = toEntries([encodeChange(change(1, values))], stretch);
  const [item] = decodeItems(entry?.changes ?? '');
  expect(item).toStrictEqual({
    event: {
      action: 'insert',
      schema: 'shop',
      table: 'orders',
      before: null,
      after: { id: 1, blob: values },
      position: { file: 'binlog.000001', offset: 4, row: 1 },
      timestamp: 1_000,
    },
    primaryKey: ['id'],
  });
});

it('splits a batch into entries of 500 changes and 256 KiB', () => {
  const few = Array.from({ length: 1_200 }, (_, id) => encodeChange(change(id)));
  const counts = toEntries(few, stretch).map(({ changes }) => decodeItems(changes).length);
  expect(counts).toEqual([500, 500, 200]);
  const large = Array.from({ length: 5 }, (_, id) => encodeChange(change(id, 'x'.repeat(100 * 1024))));
  expect(toEntries(large, stretch).map(({ changes }) => decodeItems(changes).length)).toEqual([2, 2, 1]);
});

it('tells a change that is too large as a gap', () => {
  const [entry] = toEntries([encodeChange(change(1, 'x'.repeat(17 * 1024 * 1024)))], stretch);
  expect(decodeItems(entry?.changes ?? '')).toEqual([
    { reason: 'a change is larger than 16 MiB', table: 'shop.orders' },
  ]);
  expect(decodeItems(`["a",${encodeGap({ reason: 'r', table: undefined })}]`)).toEqual([
    { reason: 'r', table: undefined },
  ]);
});

it('does not take the text of somebody else for its own', () => {
  expect(() => decodeItems('{}')).toThrow(SyntaxError);
  expect(() => decodeItems('hello')).toThrow(SyntaxError);
  expect(() => decodeItems('["a",{"v":2}]')).toThrow(SyntaxError);
  expect(() => decodeItems('["a","event"]')).toThrow(SyntaxError);
});
