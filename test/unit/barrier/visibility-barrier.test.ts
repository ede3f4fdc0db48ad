import { expect, it } from 'vitest';
import type { TransactionPiece } from '../../../lib/change/stream';
import { VisibilityBarrier } from '../../../lib/barrier/visibility-barrier';
import type { VisibilityProbe } from '../../../lib/barrier/visibility-probe';

// A probe that answers when it is told to: what a server answers is tested with real ones.

const never = new AbortController().signal;

function pieces(count: number): TransactionPiece[] {
  return Array.from({ length: count }, () => ({
    items: [{ kind: 'flush', table: undefined, position: { file: 'f.1', offset: 4 } }],
    bytes: 0,
    end: undefined,
    gtid: undefined,
  }));
}

class Questions {
  readonly asked: {
    pieces: readonly TransactionPiece[];
    answer: () => void;
    fail: (error: Error) => void;
  }[] = [];
  readonly barrier = new VisibilityBarrier({
    untilVisible: (asked: readonly TransactionPiece[]) =>
      asked.length === 0
        ? Promise.resolve()
        : new Promise<void>((answer, fail) => this.asked.push({ pieces: asked, answer, fail })),
  } as unknown as VisibilityProbe);

  /** What was asked, by the pieces' places in a list. */
  places(all: readonly TransactionPiece[]): number[][] {
    return this.asked.map((question) => question.pieces.map((piece) => all.indexOf(piece)));
  }

  async passes(batch: readonly TransactionPiece[]): Promise<boolean> {
    let passed = false;
    void this.barrier.pass(batch, never).then(() => (passed = true));
    await new Promise(setImmediate);
    return passed;
  }
}

it('holds a batch for an answer that was asked for ahead', async () => {
  const questions = new Questions();
  const all = pieces(5);
  questions.barrier.lookAhead(all.slice(0, 4), 2, never);
  expect(await questions.passes(all.slice(0, 2))).toBe(false);
  expect(questions.barrier.waitingSince).toBeGreaterThan(Date.now() - 10_000);
  questions.asked[0]?.answer();
  expect(await questions.passes(all.slice(0, 2))).toBe(true);
  expect(questions.places(all)).toEqual([[0, 1, 2, 3]]);
  expect(questions.barrier.waitingSince).toBeUndefined();
});

it('asks for what of a batch was not asked for ahead', async () => {
  const questions = new Questions();
  const all = pieces(5);
  questions.barrier.lookAhead(all.slice(0, 3), 2, never);
  questions.asked[0]?.answer();
  expect(await questions.passes(all)).toBe(false);
  questions.asked[1]?.answer();
  expect(questions.places(all)).toEqual([
    [0, 1, 2],
    [3, 4],
  ]);
  // Of the batches after that one nothing is known.
  expect(await questions.passes(pieces(1))).toBe(false);
});

it('asks ahead once for each piece, when the next batch goes beyond what was asked for', async () => {
  const questions = new Questions();
  const all = pieces(8);
  const lookAhead = (...range: [number, number]): void =>
    questions.barrier.lookAhead(all.slice(...range), 2, never);
  lookAhead(0, 0);
  lookAhead(0, 4);
  lookAhead(0, 6);
  expect(questions.places(all)).toEqual([[0, 1, 2, 3]]);
  // The next two rows reach the last one that was asked for.
  lookAhead(2, 6);
  lookAhead(2, 6);
  expect(questions.places(all)).toEqual([
    [0, 1, 2, 3],
    [4, 5],
  ]);
  questions.asked[1]?.answer();
  expect(await questions.passes(all.slice(2, 5))).toBe(false);
  questions.asked[0]?.answer();
  expect(await questions.passes(all.slice(2, 5))).toBe(true);
});

it('knows nothing of new pieces once what was asked for is abandoned', async () => {
  const questions = new Questions();
  questions.barrier.lookAhead(pieces(3), 2, never);
  questions.asked[0]?.fail(new Error('the batches were abandoned'));
  questions.barrier.forget();
  const batch = pieces(2);
  expect(await questions.passes(batch)).toBe(false);
  expect(questions.places(batch)).toEqual([
    [-1, -1, -1],
    [0, 1],
  ]);
});
