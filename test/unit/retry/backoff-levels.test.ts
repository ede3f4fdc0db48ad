import { expect, it } from 'vitest';
import { BackoffLevels, jittered } from '../../../lib/retry/backoff-levels';

it.each([
  [{ maxAttempts: 3, backoffMillis: 500, maxBackoffMillis: 60_000 }, [500, 1_000]],
  [{ maxAttempts: 1, backoffMillis: 500, maxBackoffMillis: 60_000 }, [500]],
  [{ maxAttempts: 100, backoffMillis: 500, maxBackoffMillis: 3_000 }, [500, 1_000, 2_000, 3_000]],
  [{ maxAttempts: 1_000_000, backoffMillis: 500, maxBackoffMillis: 100 }, [100]],
])('are every wait that can occur: %j', (options, expected) => {
  expect(new BackoffLevels(options).all).toEqual(expected);
});

it('double with each attempt up to the longest, and every wait is one of them', () => {
  const levels = new BackoffLevels({ maxAttempts: 12, backoffMillis: 100, maxBackoffMillis: 2_000 });
  expect([0, 1, 2, 3, 4, 5, 6, 60].map((attempts) => levels.after(attempts))).toEqual([
    100, 100, 200, 400, 800, 1_600, 2_000, 2_000,
  ]);
  for (let attempts = 0; attempts < 12; attempts++) expect(levels.all).toContain(levels.after(attempts));
});

it('are shortened at random by up to a half', () => {
  const waits = Array.from({ length: 1_000 }, () => jittered(100));
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(50);
  expect(Math.max(...waits)).toBeLessThanOrEqual(100);
  expect(new Set(waits).size).toBeGreaterThan(20);
});
