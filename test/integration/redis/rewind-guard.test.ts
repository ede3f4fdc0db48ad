import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Redis } from 'ioredis';
import { RedisRewoundError } from '../../../lib/errors/redis.errors';
import { RedisCheckpointStore } from '../../../lib/checkpoint/redis-checkpoint.store';
import { checkpointKey } from '../../../lib/redis/own-keys';
import type { RedisConnection } from '../../../lib/redis/redis-connection';
import { RewindGuard } from '../../../lib/redis/rewind-guard';
import type { RoundCounter } from '../../../lib/redis/scripts/round-count';
import { COUNTER_SECONDS, countCommand } from '../../../lib/redis/scripts/round-count';
import { connectRedis } from '../../support/each-sql';
import type { RedisServer } from '../../support/servers';
import { startRedis } from '../../support/servers';

// Rounds overlap, and ioredis sends again after a reconnect what was not answered: a round may be counted in the place
// of another one that Redis had confirmed and lost.

const CHECKPOINT = { file: 'binlog.000001', offset: 4, serverUuid: 'a', epoch: 1 };

let server: RedisServer;
let redis: Redis;
let guard: RewindGuard;
const onRewound = vi.fn();

beforeAll(async () => {
  server = await startRedis();
  redis = await connectRedis(server);
});
afterAll(async () => {
  redis?.disconnect();
  await server?.dispose();
});
beforeEach(async () => {
  await redis.flushall();
  onRewound.mockClear();
  guard = new RewindGuard('test', { client: redis } as unknown as RedisConnection);
  guard.onRewound(onRewound);
  await guard.begin();
});

async function count(counter: RoundCounter | undefined): Promise<number> {
  const [name = '', ...args] = counter ? countCommand(counter) : [];
  return Number(await redis.call(name, ...args));
}

const counted = async (): Promise<unknown> =>
  guard.watch(async (counter) => ({ counted: await count(counter) }));

/** A round that counts only when it is told to, and hears of it only when it is told so. */
function lateRound(): { count(): Promise<void>; answer(): Promise<unknown> } {
  let resolve: (outcome: { counted: number }) => void;
  let value = 0;
  let given: RoundCounter | undefined;
  const round = guard.watch((counter) => {
    given = counter;
    return new Promise<{ counted: number }>((done) => (resolve = done));
  });
  return {
    count: async () => {
      value = await count(given);
    },
    answer: () => {
      resolve({ counted: value });
      return round;
    },
  };
}

/** A round that was sent before the one before it was confirmed, and is counted after Redis has lost that one. */
async function lostUnder(): Promise<ReturnType<typeof lateRound>> {
  const before = Number(await redis.get(guard.counter ?? ''));
  const [lost, late] = [lateRound(), lateRound()];
  await lost.count();
  await lost.answer();
  await redis.set(guard.counter ?? '', before);
  await late.count();
  return late;
}

describe('a Redis that lost a round while another one was under way', () => {
  it('is noticed by that one, though its count is above all that it knew', async () => {
    const late = await lostUnder();
    await expect(late.answer()).rejects.toThrow(RedisRewoundError);
    expect(onRewound).toHaveBeenCalledTimes(1);
  });

  it('takes no checkpoint, though its count is high enough', async () => {
    const late = await lostUnder();
    const asked = vi.spyOn(redis, 'evalsha');
    const saved = new RedisCheckpointStore(redis, guard).save('test', CHECKPOINT);
    await vi.waitFor(() => expect(asked.mock.results.length).toBeGreaterThan(1));
    asked.mockRestore();
    await expect(late.answer()).rejects.toThrow(RedisRewoundError);
    await expect(saved).rejects.toThrow(RedisRewoundError);
    expect(await redis.exists(checkpointKey('test'))).toBe(0);
  });
});

describe('a Redis that lost the last round', () => {
  it('is noticed by the next one, also when that is sent twice', async () => {
    const before = Number(await redis.get(guard.counter ?? ''));
    await counted();
    await redis.set(guard.counter ?? '', before);
    const next = lateRound();
    await next.count();
    await next.count();
    await expect(next.answer()).rejects.toThrow(RedisRewoundError);
  });

  it('with all others has no counter left behind by the next one', async () => {
    const { counter = '' } = guard;
    expect(await redis.ttl(counter)).toBeGreaterThan(COUNTER_SECONDS - 60);
    await redis.flushall();
    await expect(counted()).rejects.toThrow(RedisRewoundError);
    expect(await redis.exists(counter)).toBe(0);
  });
});

describe('a Redis that lost nothing', () => {
  it('takes rounds that are answered in another order, and checkpoints between them', async () => {
    const store = new RedisCheckpointStore(redis, guard);
    const [first, second] = [lateRound(), lateRound()];
    await first.count();
    await second.count();
    await second.answer();
    await store.save('test', CHECKPOINT);
    await first.answer();
    await counted();
    await store.save('test', { ...CHECKPOINT, offset: 8 });
    expect(await store.load('test')).toMatchObject({ offset: 8 });
    expect(guard.underWay).toBe(0);
    expect(onRewound).not.toHaveBeenCalled();
  });

  it('says nothing to rounds of before it was taken for the truth', async () => {
    const late = lateRound();
    await guard.begin();
    await late.count();
    await late.answer();
    await new RedisCheckpointStore(redis, guard).save('test', CHECKPOINT);
    expect(onRewound).not.toHaveBeenCalled();
  });
});
