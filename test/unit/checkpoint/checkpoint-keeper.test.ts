import { expect, it, vi } from 'vitest';
import { CheckpointKeeper } from '../../../lib/checkpoint/checkpoint-keeper';
import type { Checkpoint } from '../../../lib';
import { ErrorReporter } from '../../../lib/errors/error-reporter';

const at = (offset: number): Checkpoint => ({ file: 'binlog.000001', offset });

/** The outcome of handler calls that end when they are told to. */
class Calls {
  end!: (complete: boolean) => void;
  readonly outcome = { settled: new Promise<boolean>((resolve) => (this.end = resolve)) };
}

function keeperOf(): { keeper: CheckpointKeeper; saves: number[]; controller: AbortController } {
  const saves: number[] = [];
  const store = {
    load: async () => null,
    save: async (_name: string, { offset }: Checkpoint) => void saves.push(offset),
  };
  const controller = new AbortController();
  const keeper = new CheckpointKeeper({
    name: 'test',
    store,
    errors: new ErrorReporter('test'),
    signal: controller.signal,
    onDeposed: () => undefined,
  });
  return { keeper, saves, controller };
}

it('saves the latest position that was applied, once', async () => {
  const { keeper, saves } = keeperOf();
  await keeper.save();
  keeper.applied(at(1), undefined);
  keeper.applied(at(2), undefined);
  await keeper.save();
  await keeper.save();
  expect(saves).toEqual([2]);
  expect(keeper.saved).toEqual(at(2));
});

it('does not pass handler calls that have not ended, and goes on by itself when they have', async () => {
  const { keeper, saves } = keeperOf();
  const [first, second] = [new Calls(), new Calls()];
  keeper.applied(at(1), undefined);
  keeper.applied(at(2), first.outcome);
  keeper.applied(at(3), second.outcome);
  keeper.applied(at(4), undefined);
  await keeper.save();
  expect(saves).toEqual([1]);
  second.end(true);
  await keeper.save();
  expect(saves).toEqual([1]);
  first.end(true);
  await vi.waitFor(() => expect(saves).toEqual([1, 4]));
});

it('never passes calls that a shutdown cut short', async () => {
  const { keeper, saves } = keeperOf();
  const calls = new Calls();
  keeper.applied(at(1), calls.outcome);
  keeper.applied(at(2), undefined);
  calls.end(false);
  await calls.outcome.settled;
  await keeper.save();
  expect(saves).toEqual([]);
});

it('waits for the calls of every piece of a huge transaction', async () => {
  const { keeper, saves } = keeperOf();
  const calls = new Calls();
  keeper.applied(at(1), undefined);
  keeper.appliedPiece(calls.outcome);
  keeper.applied(at(3), undefined);
  await keeper.save();
  expect(saves).toEqual([1]);
  calls.end(true);
  await vi.waitFor(() => expect(saves).toEqual([1, 3]));
});

it('saves nothing after the cut-off of a shutdown', async () => {
  const { keeper, saves, controller } = keeperOf();
  const calls = new Calls();
  keeper.applied(at(1), calls.outcome);
  controller.abort();
  calls.end(true);
  await calls.outcome.settled;
  await keeper.save();
  expect(saves).toEqual([]);
});

it('keeps its memory bounded however long one handler takes', async () => {
  const { keeper, saves } = keeperOf();
  const stuck = new Calls();
  keeper.applied(at(0), stuck.outcome);
  for (let offset = 1; offset <= 5_000; offset++) {
    const calls = new Calls();
    keeper.applied(at(offset), offset % 2 ? calls.outcome : undefined);
    calls.end(true);
    await calls.outcome.settled;
  }
  const { entries } = keeper as unknown as { entries: unknown[] };
  expect(entries.length).toBeLessThan(5);
  stuck.end(true);
  await vi.waitFor(() => expect(saves).toEqual([5_000]));
});
