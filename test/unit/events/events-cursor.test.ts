import type { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { EventsCursor } from '../../../lib/events/everywhere/events-cursor';
import { eventsKeys } from '../../../lib/redis/own-keys';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('has a connection that is open and dead made anew', async () => {
  const never = new Promise<never>(() => undefined);
  const disconnect = vi.fn();
  const client = {
    hmget: async () => ['1-0', 'a:1', null],
    xread: () => never,
    disconnect,
  } as unknown as Redis;
  const cursor = new EventsCursor(client, eventsKeys('test', ''));
  const ending = new AbortController();
  await cursor.fix(ending.signal);
  const reading = cursor.read(ending.signal).next();
  await vi.advanceTimersByTimeAsync(29_000);
  expect(disconnect).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(disconnect).toHaveBeenCalledWith(true);
  ending.abort(new Error('The test is over'));
  await expect(reading).rejects.toThrow('The test is over');
  expect(vi.getTimerCount()).toBe(0);
});
