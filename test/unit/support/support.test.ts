import { afterEach, describe, expect, it, vi } from 'vitest';
import { sleep, untilAborted } from '../../../lib/support/abort';
import { Backoff } from '../../../lib/support/backoff';
import { nearMisses } from '../../../lib/support/near-misses';

const NEVER = new AbortController().signal;

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('Backoff', () => {
  async function waits(backoff: Backoff, count: number): Promise<number[]> {
    vi.useFakeTimers();
    const lengths: number[] = [];
    for (let index = 0; index < count; index++) {
      const start = Date.now();
      const waiting = backoff.wait(NEVER);
      await vi.runAllTimersAsync();
      await waiting;
      lengths.push(Date.now() - start);
    }
    return lengths;
  }

  it('doubles from the shortest to the longest wait, and starts anew after reset', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const backoff = new Backoff({ minMillis: 100, maxMillis: 1_000 });
    expect(await waits(backoff, 6)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    backoff.reset();
    expect(await waits(backoff, 1)).toEqual([100]);
  });

  it('is shortened by chance by a half at most', async () => {
    const random = vi.spyOn(Math, 'random').mockReturnValue(0);
    expect(await waits(new Backoff({ minMillis: 100, maxMillis: 200 }), 3)).toEqual([50, 100, 100]);
    random.mockRestore();
    for (const length of await waits(new Backoff({ minMillis: 100, maxMillis: 100 }), 50)) {
      expect(length).toBeGreaterThanOrEqual(49);
      expect(length).toBeLessThanOrEqual(100);
    }
  });

  it('stays at its longest wait after very many attempts', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const lengths = await waits(new Backoff({ minMillis: 1, maxMillis: 50 }), 1_100);
    expect(lengths.at(-1)).toBe(50);
  });
});

describe('waiting with a signal', () => {
  it('ends with the reason of the signal, before and during', async () => {
    const controller = new AbortController();
    const waiting = [
      expect(sleep(60_000, controller.signal)).rejects.toThrow('enough'),
      expect(untilAborted(new Promise(() => undefined), controller.signal)).rejects.toThrow('enough'),
    ];
    controller.abort(new Error('enough'));
    await Promise.all(waiting);
    await expect(sleep(1, controller.signal)).rejects.toThrow('enough');
    await expect(untilAborted(Promise.resolve(1), controller.signal)).rejects.toThrow('enough');
  });

  it('leaves no rejection unhandled that comes too late', async () => {
    const unhandled: unknown[] = [];
    const remember = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', remember);
    let reject!: (error: Error) => void;
    const late = new Promise((_resolve, fail) => (reject = fail));
    await expect(untilAborted(late, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    reject(new Error('late'));
    await new Promise((resolve) => setTimeout(resolve));
    process.off('unhandledRejection', remember);
    expect(unhandled).toEqual([]);
  });

  it('passes on what the promise comes to', async () => {
    expect(await untilAborted(Promise.resolve(5), NEVER)).toBe(5);
    await expect(untilAborted(Promise.reject(new Error('own')), NEVER)).rejects.toThrow('own');
  });
});

describe('nearMisses', () => {
  const known = ['users', 'orders', 'user_roles', 'order_items'];
  it.each([
    ['user', ['users']],
    ['oders', ['orders']],
    ['USERS', ['users']],
    ['user_rolse', ['user_roles']],
    ['invoices', []],
  ])('%s may mean %j', (name, near) => {
    expect(nearMisses(name, known)).toEqual(near);
  });

  it('gives the nearest first, and three at most', () => {
    expect(nearMisses('abcdef', ['abxyef', 'abcdeg', 'abcdef1', 'abcxef'])).toEqual([
      'abcdeg',
      'abcdef1',
      'abcxef',
    ]);
  });
});
