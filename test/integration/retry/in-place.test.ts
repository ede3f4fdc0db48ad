import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Redis } from 'ioredis';
import type { RetryOptions } from '../../../lib';
import { DeadLetterError } from '../../../lib';
import { flushPatterns } from '../../../lib/redis/key-flush';
import type { RedisServer } from '../../support/servers';
import { startRedis } from '../../support/servers';
import type { Retries } from '../../support/retry-harness';
import { FakeExecutor, manyParked, never, parked, retries } from '../../support/retry-harness';
import { waitFor } from '../../support/wait-for';

// Without RabbitMQ commands are tried again while the tail waits; what stays refused is kept in a stream in Redis.

const STREAM = 'cacheflow:default:dead-letters';
const REFUSED = { done: false, reason: 'OOM' } as const;
let server: RedisServer;
let redis: Redis;
const running: Retries[] = [];

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.connectionOptions());
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
  await redis.config('SET', 'maxmemory', '0');
  await redis.flushall();
});
afterAll(async () => {
  redis?.disconnect();
  await server?.dispose();
});

async function started(options: RetryOptions = {}): Promise<Retries & { executor: FakeExecutor }> {
  const executor = new FakeExecutor();
  const made = retries(
    { maxAttempts: 3, backoffMillis: 100, maxBackoffMillis: 400, ...options },
    server.connectionOptions(),
  );
  running.push(made);
  expect(await made.service.check()).toEqual([]);
  made.service.start(executor.execute);
  return { ...made, executor };
}

it('holds the caller until each command was done, with the backoff between, side by side', async () => {
  const { service, executor } = await started();
  expect([service.viaBroker, service.state]).toEqual([false, 'off']);
  executor.answer = async ({ attempts }) => (attempts < 2 ? REFUSED : { done: true });
  const commands = manyParked(100);
  const at = Date.now();
  await service.park(commands, never);
  // 100 and 200 ms, each shortened by at most a half; one after another it would be 15 s.
  expect(Date.now() - at).toBeGreaterThanOrEqual(150);
  expect(Date.now() - at).toBeLessThan(5_000);
  for (const { id } of commands)
    expect(executor.calls.get(id)?.map(({ attempts }) => attempts)).toEqual([1, 2]);
  expect(service.counters).toEqual({ parked: 100, retried: 100, deadLettered: 0 });
});

it('keeps what was given up in a stream, from where it can be tried again or discarded', async () => {
  const { service, executor, errors } = await started({ backoffMillis: 1 });
  executor.answer = async () => ({ done: false, reason: 'WRONGTYPE' });
  const [first, second] = [parked({}, { kind: 'remove' }), parked({ table: undefined }, { kind: 'remove' })];
  await service.park([first], never);
  await service.park([second], never);
  expect(executor.calls.get(first.id)).toHaveLength(2);
  expect(errors).toEqual([expect.any(DeadLetterError), expect.any(DeadLetterError)]);
  expect(await redis.xlen(STREAM)).toBe(2);
  const { deadLetters } = service;
  expect(await deadLetters.list()).toEqual([
    {
      id: first.id,
      kind: 'remove',
      key: `key ${first.id}`,
      table: 'shop.users',
      position: first.position,
      reason: 'WRONGTYPE',
      attempts: 3,
      parkedAt: new Date(first.parkedAt),
      deadAt: expect.any(Date) as Date,
    },
    expect.objectContaining({ id: second.id }),
  ]);
  expect((await deadLetters.list({ limit: 1 })).map(({ id }) => id)).toEqual([first.id]);

  // Still refused: it is a dead letter again, once.
  expect(await deadLetters.requeue(first.id, 'unknown')).toBe(1);
  expect(executor.calls.get(first.id)?.map(({ attempts }) => attempts)).toEqual([1, 2, 0, 1, 2]);
  expect((await deadLetters.list()).map(({ id }) => id)).toEqual([second.id, first.id]);

  executor.answer = async () => ({ done: true });
  expect(await deadLetters.requeue(first.id)).toBe(1);
  expect(await deadLetters.discard(second.id, second.id)).toBe(1);
  expect(await deadLetters.list()).toEqual([]);
});

it('lists beyond one page', async () => {
  const { service, executor } = await started({ maxAttempts: 1 });
  const commands = manyParked(250);
  executor.answer = async () => REFUSED;
  await service.park(commands, never);
  expect(await service.deadLetters.list()).toHaveLength(100);
  const all = await service.deadLetters.list({ limit: 1_000 });
  expect(new Set(all.map(({ id }) => id)).size).toBe(250);
  expect(await service.deadLetters.discard(...commands.map(({ id }) => id))).toBe(250);
  expect(await redis.xlen(STREAM)).toBe(0);
});

it('drops a refused value for which Redis has no room, and holds anything else until there is', async () => {
  const { service, executor, errors } = await started({ backoffMillis: 1 });
  executor.answer = async () => REFUSED;
  await redis.config('SET', 'maxmemory', '1');
  const value = parked();
  await service.park([value], never);
  expect(errors.map(({ message }) => message)).toEqual([
    expect.stringContaining('Redis refuses the dead letter as well (OOM), so it is gone'),
  ]);
  expect(service.counters.deadLettered).toBe(0);
  const removal = parked({}, { kind: 'remove' });
  let held = true;
  const parking = service.park([removal], never).then(() => (held = false));
  await waitFor(() => errors.length >= 3);
  expect(errors[1]?.message).toContain('the tail holds until it takes one');
  expect(held).toBe(true);
  await redis.config('SET', 'maxmemory', '0');
  await parking;
  expect((await service.deadLetters.list()).map(({ id }) => id)).toEqual([removal.id]);
});

it('gives values one quick attempt each while Redis refuses them all, until it takes one', async () => {
  const { service, executor } = await started({ backoffMillis: 200, maxBackoffMillis: 200 });
  executor.answer = async () => REFUSED;
  await service.park(manyParked(10), never);
  const quick = manyParked(1_000);
  const at = Date.now();
  await service.park(quick, never);
  expect(executor.hasAll(quick)).toBe(true);
  expect([...executor.calls.values()].flat()).toHaveLength(10 * 2 + 1_000);
  const removal = parked({}, { kind: 'remove' });
  await service.park([removal], never);
  expect(executor.calls.get(removal.id)).toHaveLength(2);
  executor.answer = async () => ({ done: true });
  await service.park([parked()], never);
  executor.answer = async () => REFUSED;
  const slow = parked();
  await service.park([slow], never);
  expect(executor.calls.get(slow.id)).toHaveLength(2);
  expect(Date.now() - at).toBeLessThan(20_000);
});

it('puts a handler call that was given up straight to the dead letters; a requeue calls it', async () => {
  const { service, executor } = await started();
  const event = {
    action: 'insert' as const,
    schema: 'shop',
    table: 'users',
    before: null,
    after: { id: '9223372036854775807', photo: Buffer.from([0, 255]), born: new Date(0) },
    position: { file: 'binlog.000003', offset: 4, row: 0 },
    timestamp: 1_000,
  };
  await service.parkHandler('Mails.send', event, { attempts: 5, cause: new TypeError('secret') }, never);
  expect(executor.calls.size).toBe(0);
  const [letter] = await service.deadLetters.list();
  expect(letter).toMatchObject({
    kind: 'handler',
    handler: 'Mails.send',
    reason: 'TypeError',
    attempts: 5,
    table: 'shop.users',
  });
  expect(await service.deadLetters.requeue(letter?.id ?? '')).toBe(1);
  const [call] = executor.calls.get(letter?.id ?? '') ?? [];
  expect(call?.work).toStrictEqual({ kind: 'handler', handler: 'Mails.send', event });
});

it('waits for a Redis that is away, and ends with the signal', async () => {
  const { service, executor, codes } = await started({ backoffMillis: 1 });
  executor.answer = async () => REFUSED;
  await server.kill();
  const cutOff = new AbortController();
  const parking = service.park([parked({}, { kind: 'remove' })], cutOff.signal);
  await waitFor(() => codes().includes('CACHEFLOW_REDIS_UNAVAILABLE'));
  cutOff.abort(new Error('the shutdown took too long'));
  await expect(parking).rejects.toThrow('the shutdown took too long');
  await server.start();
});

it('an executor that throws counts as one that was refused', async () => {
  const { service, executor, errors } = await started({ backoffMillis: 1 });
  executor.answer = async () => {
    throw new RangeError('with a secret');
  };
  await service.park([parked()], never);
  expect(errors[0]?.message).toContain('(RangeError)');
  expect(errors[0]?.message).not.toContain('secret');
});

it('the dead letters survive a flush of every key', async () => {
  const { service, executor } = await started({ maxAttempts: 1 });
  executor.answer = async () => REFUSED;
  await service.park([parked()], never);
  await redis.set('cacheflow:epochs', '1');
  await redis.set('user:1', 'x');
  let removed = 0;
  await flushPatterns(redis, [{ pattern: '*', version: undefined }], (keys) => (removed += keys));
  expect(removed).toBe(1);
  expect((await redis.keys('*')).sort()).toEqual([STREAM, 'cacheflow:epochs']);
});
