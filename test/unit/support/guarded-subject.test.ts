import { firstValueFrom, map, merge, mergeMap, share, toArray } from 'rxjs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { GuardedSubject } from '../../../lib/support/guarded-subject';

const uncaught: unknown[] = [];
const remember = (error: unknown): void => void uncaught.push(error);
/** RxJS throws from a timer what nobody handles. */
const timers = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

let thrown: unknown[];
let subject: GuardedSubject<number>;

beforeEach(() => {
  uncaught.length = 0;
  thrown = [];
  subject = new GuardedSubject((error) => thrown.push(error));
  process.on('uncaughtException', remember).on('unhandledRejection', remember);
});
afterEach(async () => {
  await timers();
  process.off('uncaughtException', remember).off('unhandledRejection', remember);
  expect(uncaught).toEqual([]);
});

it('keeps a subscriber that threw', () => {
  const seen: number[] = [];
  subject.observable.subscribe((value) => {
    seen.push(value);
    throw new Error(`at ${value}`);
  });
  subject.next(1);
  subject.next(2);
  expect(seen).toEqual([1, 2]);
  expect(thrown.map(String)).toEqual(['Error: at 1', 'Error: at 2']);
});

it('reports the rejection of an async subscriber', async () => {
  // eslint-disable-next-line typescript/no-misused-promises -- what people write
  subject.observable.subscribe(async (value) => {
    await Promise.resolve();
    throw new Error(`at ${value}`);
  });
  subject.next(1);
  await timers();
  expect(thrown.map(String)).toEqual(['Error: at 1']);
});

it('reports an error in a pipe that nobody handles, and leaves one to him who does', () => {
  const fail = (value: number): never => {
    throw new Error(`at ${value}`);
  };
  const handled: unknown[] = [];
  const rest: number[] = [];
  subject.observable.pipe(map(fail)).subscribe();
  subject.observable.pipe(mergeMap(fail), map(String)).subscribe(() => undefined);
  subject.observable.pipe(share(), map(fail)).subscribe({ complete: () => undefined });
  subject.observable.pipe(map(fail)).subscribe({ error: (error) => handled.push(error) });
  subject.observable.subscribe((value) => rest.push(value));
  subject.next(1);
  subject.next(2);
  expect(thrown).toHaveLength(3);
  expect(handled).toHaveLength(1);
  expect(rest).toEqual([1, 2]);
});

it('takes every form of a subscription, and calls methods with their object', () => {
  class Observer {
    readonly values: number[] = [];
    next(value: number): void {
      this.values.push(value);
    }
  }
  const observer = new Observer();
  subject.observable.subscribe(observer);
  subject.observable.subscribe(null);
  subject.observable.subscribe({});
  const subscription = subject.observable.subscribe();
  expect(subject.observed).toBe(true);
  subject.next(7);
  subscription.unsubscribe();
  expect(observer.values).toEqual([7]);
  subject.complete();
  expect(subject.observed).toBe(false);
});

it('works with the usual operators and promises', async () => {
  const all = firstValueFrom(
    merge(subject.observable, subject.observable.pipe(map((n) => n * 10))).pipe(toArray()),
  );
  const first = firstValueFrom(subject.observable);
  const failed = firstValueFrom(
    subject.observable.pipe(
      map(() => {
        throw new Error('to the promise');
      }),
    ),
  );
  const rejection = expect(failed).rejects.toThrow('to the promise');
  subject.next(1);
  subject.next(2);
  subject.complete();
  expect(await all).toEqual([1, 10, 2, 20]);
  expect(await first).toBe(1);
  await rejection;
  expect(thrown).toEqual([]);
});
