import { expect, it } from 'vitest';
import type { TransactionPiece } from '../../../lib/change/stream';
import type { Stretch } from '../../../lib/events/everywhere/stretch';
import {
  follows,
  reached,
  readStretch,
  resumed,
  split,
  Stretches,
} from '../../../lib/events/everywhere/stretch';

const stream = { serverUuid: 'a', epoch: 1 };
const at = (offset: number): { file: string; offset: number } => ({ file: 'binlog.000001', offset });
const piece = (end?: number): TransactionPiece => ({
  items: [],
  bytes: 0,
  end: end === undefined ? undefined : at(end),
  gtid: end === undefined ? undefined : `a:${end}`,
});
const stretch = (from: number, to: number, more: Partial<Stretch> = {}): Stretch => ({
  origin: 'a:1',
  from: at(from),
  to: at(to),
  whole: true,
  done: true,
  ...more,
});

it('is that of the whole transactions of a batch', () => {
  const stretches = new Stretches();
  expect(stretches.of([piece(200), piece(300)], { value: at(100), stream })).toEqual({
    ...stretch(100, 300),
    to: { ...at(300), gtid: 'a:300' },
  });
  const next = stretches.of([piece()], { value: at(300), stream });
  expect(next).toEqual(stretch(300, 300));
  // It begins in the middle of a transaction, so that nothing tells how much of it is missing before.
  expect(stretches.of([piece(), piece(400), piece()], { value: at(300), stream })).toMatchObject({
    whole: false,
    to: { offset: 400 },
  });
  expect(stretches.of([piece(500)], { value: at(400), stream }).whole).toBe(false);
  expect(stretches.of([piece(600)], { value: at(500), stream }).whole).toBe(true);
  expect(stretches.of([piece(600)], { value: undefined, stream }).whole).toBe(false);
});

it('is reached with its last entry, and is whole with its first one', () => {
  const parts = [0, 1, 2].map((index) => split(stretch(100, 200), index, 3));
  expect(parts.map((part) => reached(part)?.offset)).toEqual([100, 100, 200]);
  expect(parts.map((part) => resumed(part)?.offset)).toEqual([100, 200, 200]);
  // An entry between them may be missing.
  expect(parts.map((part) => follows(part, parts[0]))).toEqual([true, false, false]);
});

it('follows another one where it begins at its end or before, in the same history', () => {
  const last = stretch(100, 200);
  expect(follows(stretch(200, 300), last)).toBe(true);
  expect(follows(stretch(50, 300), last)).toBe(true);
  expect(follows(stretch(201, 300), last)).toBe(false);
  expect(follows(stretch(200, 300, { origin: 'a:2' }), last)).toBe(false);
  expect(follows(stretch(200, 300, { whole: false }), last)).toBe(false);
  expect(follows(stretch(200, 300, { from: undefined }), last)).toBe(false);
  expect(follows(stretch(200, 300), undefined)).toBe(false);
});

it('is read as it was written, and that of somebody else covers nothing', () => {
  const written = split(stretch(100, 200), 0, 1);
  expect(readStretch(JSON.stringify(written))).toEqual(written);
  for (const text of [undefined, '', 'null', '{', '7']) {
    expect(follows(readStretch(text), written)).toBe(false);
    expect(reached(readStretch(text))).toBeUndefined();
  }
});
