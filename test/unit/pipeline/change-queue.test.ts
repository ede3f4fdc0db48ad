import { describe, expect, it } from 'vitest';
import { ChangeQueue } from '../../../lib/pipeline/change-queue';
import { Gate } from '../../../lib/support/gate';
import type { RowChange, TransactionPiece } from '../../../lib/change/stream';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const NEVER = new AbortController().signal;

function pieceOf(rows: number, bytes = 0): TransactionPiece {
  const items = Array.from({ length: rows }, () => ({ kind: 'row' }) as RowChange);
  return { items, bytes, end: { file: 'f.1', offset: 4 }, gtid: undefined };
}

function queueOf(maxRows: number, maxBytes = 1_000_000): { queue: ChangeQueue; told: boolean[] } {
  const told: boolean[] = [];
  return { queue: new ChangeQueue({ maxRows, maxBytes }, (full) => told.push(full)), told };
}

describe('ChangeQueue', () => {
  it('hands out all that waits, in order, up to the rows asked for', async () => {
    const { queue } = queueOf(100);
    const pieces = [pieceOf(2), pieceOf(3), pieceOf(0), pieceOf(4)];
    for (const piece of pieces) queue.push(piece);
    expect(queue.size).toBe(10);
    const first = await queue.take(5);
    expect(first).toEqual(pieces.slice(0, 2));
    queue.done(first ?? []);
    expect(await queue.take(100)).toEqual(pieces.slice(2));
  });

  it('hands out a piece larger than what is asked for', async () => {
    const { queue } = queueOf(100);
    queue.push(pieceOf(50));
    expect(await queue.take(5)).toHaveLength(1);
  });

  it('has the reader wait for the first piece', async () => {
    const { queue } = queueOf(100);
    const taken = queue.take(5);
    await turn();
    const piece = pieceOf(1);
    queue.push(piece);
    expect(await taken).toEqual([piece]);
  });

  it('says when it is full by rows, and when half of it is free again', async () => {
    const { queue, told } = queueOf(10);
    for (let count = 0; count < 9; count++) queue.push(pieceOf(1));
    expect(told).toEqual([]);
    queue.push(pieceOf(1));
    queue.push(pieceOf(1));
    expect(told).toEqual([true]);
    const first = await queue.take(5);
    // What is being applied is still held.
    expect([queue.size, told]).toEqual([11, [true]]);
    queue.done(first ?? []);
    expect([queue.size, told]).toEqual([6, [true]]);
    queue.done((await queue.take(1)) ?? []);
    expect([queue.size, told]).toEqual([5, [true, false]]);
  });

  it('says when it is full by bytes', async () => {
    const { queue, told } = queueOf(1_000, 100);
    queue.push(pieceOf(1, 60));
    queue.push(pieceOf(1, 60));
    expect(told).toEqual([true]);
    queue.done((await queue.take(1)) ?? []);
    expect(told).toEqual([true]);
    queue.done((await queue.take(1)) ?? []);
    expect(told).toEqual([true, false]);
  });

  it('counts transactions without a row, so that a stream of them is bounded too', () => {
    const { queue, told } = queueOf(10);
    for (let count = 0; count < 10; count++) queue.push(pieceOf(0));
    expect(told).toEqual([true]);
  });

  it('is drained when nothing waits and nothing is being applied', async () => {
    const { queue } = queueOf(10);
    await queue.drained(NEVER);
    queue.push(pieceOf(1));
    let drained = false;
    const waiting = queue.drained(NEVER).then(() => (drained = true));
    const batch = await queue.take(10);
    await turn();
    expect([drained, queue.isIdle]).toEqual([false, false]);
    queue.done(batch ?? []);
    await waiting;
    expect(queue.isIdle).toBe(true);
  });

  it('ends a wait for drained by its signal', async () => {
    const { queue } = queueOf(10);
    queue.push(pieceOf(1));
    const controller = new AbortController();
    const waiting = expect(queue.drained(controller.signal)).rejects.toThrow('enough');
    controller.abort(new Error('enough'));
    await waiting;
  });

  it('gives nothing more once it is closed', async () => {
    const { queue, told } = queueOf(1);
    const waiting = queue.take(1);
    queue.close();
    expect(await waiting).toBeUndefined();
    queue.push(pieceOf(1));
    expect(await queue.take(1)).toBeUndefined();
    await queue.drained(NEVER);
    expect(told).toEqual([]);
  });
});

it('a gate holds whoever passes while it is closed', async () => {
  const gate = new Gate();
  await gate.pass();
  gate.close();
  gate.close();
  let passed = 0;
  const waiting = [gate.pass().then(() => passed++), gate.pass().then(() => passed++)];
  await turn();
  expect([passed, gate.isClosed]).toEqual([0, true]);
  gate.open();
  await Promise.all(waiting);
  gate.open();
  await gate.pass();
  expect([passed, gate.isClosed]).toEqual([2, false]);
});
