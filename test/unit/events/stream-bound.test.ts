import { expect, it } from 'vitest';
import { StreamBound } from '../../../lib/events/everywhere/stream-bound';

it('keeps so many entries, and fewer where they are large', () => {
  const bound = new StreamBound(10, 100);
  expect(bound.lengthWith([10, 10, 10])).toBe(10);
  expect(bound.lengthWith([60])).toBe(10);
  // Of 10, 10, 10, 60 and 50 the last one alone fits beside nothing.
  expect(bound.lengthWith([50])).toBe(1);
  expect(bound.lengthWith([20, 20])).toBe(10);
  expect(bound.lengthWith([20])).toBe(3);
  // What is written now stays, however large it is.
  expect(bound.lengthWith([500, 500])).toBe(2);
  expect(bound.lengthWith([1])).toBe(1);
});
