import { expect, it } from 'vitest';
import type { RowChange } from '../../../lib/pipeline/stream';
import { FlushSet } from '../../../lib/strategy/flush-set';
import { rowToJson } from '../../../lib/strategy/row-json';
import { WritePlan } from '../../../lib/strategy/write-plan';
import type { TableFlush } from '../../../lib/pipeline/stream';

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
  const changes = [0, 1, 2, 3].map(changeTo);
  const [first, second, third, fourth] = changes as [RowChange, RowChange, RowChange, RowChange];
  plan.write('a', first, 60);
  plan.remove('b', first);
  plan.remove('a', second);
  plan.write('b', third, undefined);
  plan.write('c', third, 5);
  plan.write('c', fourth, 9);
  expect(plan.removals).toEqual(['a']);
  expect(plan.writes).toEqual([
    { key: 'b', value: { change: third, ttlSeconds: undefined } },
    { key: 'c', value: { change: fourth, ttlSeconds: 9 } },
  ]);
  expect([plan.changeOf('a'), plan.changeOf('b'), plan.changeOf('x')]).toEqual([second, third, undefined]);
  expect([plan.removes('a'), plan.removes('b'), plan.removes('x')]).toEqual([true, false, false]);
});

it('keeps one flush of a table, and only that of all tables when there is one', () => {
  const flushOf = (table: TableFlush['table']): TableFlush => ({
    kind: 'flush',
    table,
    position: { file: 'f.1', offset: 4 },
  });
  const set = new FlushSet();
  const ofA = flushOf({ schema: 's', table: 'a' });
  const ofB = flushOf({ schema: 's', table: 'b' });
  expect([set.add(ofA), set.add(flushOf({ schema: 's', table: 'a' })), set.add(ofB)]).toEqual([
    true,
    false,
    true,
  ]);
  expect([...set]).toEqual([ofA, ofB]);
  const ofAll = flushOf(undefined);
  expect([set.add(ofAll), set.add(ofA), set.add(ofAll)]).toEqual([true, false, false]);
  expect([...set]).toEqual([ofAll]);
});

it('writes a row as JSON.stringify does, with binary columns as base64', () => {
  const row = {
    id: '18446744073709551615',
    at: new Date('2024-01-01T00:00:00Z'),
    never: null,
    tags: { a: [1, 'ä'] },
    price: '1.10',
  };
  expect(rowToJson(row)).toBe(JSON.stringify(row));
  const bytes = Buffer.from([0, 255, 128]);
  const binary = { id: 1, token: bytes, other: Buffer.alloc(0) };
  expect(rowToJson(binary)).toBe('{"id":1,"token":"AP+A","other":""}');
  expect(binary.token).toBe(bytes);
});
