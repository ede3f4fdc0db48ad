import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { RetryOptions } from '../../../lib';
import { DeadLetterError, RetryUnavailableError } from '../../../lib';
import { Topology } from '../../../lib/retry/broker/topology';
import type { RabbitMqServer } from '../../support/servers';
import { startRabbitmq } from '../../support/servers';
import type { Retries } from '../../support/retry-harness';
import {
  FakeExecutor,
  manyParked,
  messagesOf,
  never,
  parked,
  retries,
  withRabbit,
} from '../../support/retry-harness';
import { waitFor } from '../../support/wait-for';

// What Redis refuses is parked in RabbitMQ so that neither side can lose it, and comes back after its backoff.

let rabbit: RabbitMqServer;
const running: Retries[] = [];

beforeAll(async () => {
  rabbit = await startRabbitmq();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
});
afterAll(async () => {
  await rabbit?.dispose();
});

const FAST = { maxAttempts: 3, backoffMillis: 100, maxBackoffMillis: 400 };

function make(queue: string, more: Omit<RetryOptions, 'mq'> = {}, name?: string): Retries {
  const mq = { url: rabbit.url, exchange: `${queue}.x`, queue };
  const made = retries({ ...FAST, ...more, mq }, {}, name);
  running.push(made);
  return made;
}

/** With an executor that answers, by default, that everything is done. */
async function started(
  queue: string,
  more: Omit<RetryOptions, 'mq'> = {},
  executor = new FakeExecutor(),
): Promise<Retries & { executor: FakeExecutor }> {
  const made = make(queue, more);
  expect(await made.service.check()).toEqual([]);
  made.service.start(executor.execute);
  return { ...made, executor };
}

async function counts(queue: string): Promise<number> {
  return withRabbit(rabbit.url, async (channel) => (await channel.checkQueue(queue)).messageCount);
}

it('is there, persistent, when park resolves, and comes back after its backoff', async () => {
  const { service } = make('plain', { backoffMillis: 1_000, maxBackoffMillis: 1_000 });
  expect(await service.check()).toEqual([]);
  expect(service.viaBroker).toBe(true);
  expect(service.state).toBe('connected');
  const command = parked();
  const at = Date.now();
  await service.park([command], never);
  const [message] = await messagesOf(rabbit.url, 'plain.wait.1000');
  expect(message?.properties).toMatchObject({
    contentType: 'application/json',
    deliveryMode: 2,
    messageId: command.id,
    headers: { attempts: 1, reason: 'OOM', table: 'shop.users', position: 'binlog.000007:1234', kind: 'set' },
  });
  const executor = new FakeExecutor();
  service.start(executor.execute);
  await waitFor(() => executor.hasAll([command]));
  expect(Date.now() - at).toBeGreaterThanOrEqual(500);
  expect(executor.calls.get(command.id)).toEqual([command]);
  await waitFor(() => service.counters.retried === 1);
  expect(service.counters).toEqual({ parked: 1, retried: 1, deadLettered: 0 });
});

it('becomes a dead letter after maxAttempts, with its story in the headers, and can be tried again', async () => {
  const { service, executor, errors } = await started('dead');
  let refused = true;
  executor.answer = async () => (refused ? { done: false, reason: 'WRONGTYPE' } : { done: true });
  const [command, other] = [parked(), parked()];
  await service.park([command], never);
  await waitFor(() => service.counters.deadLettered === 1);
  expect(executor.calls.get(command.id)?.map(({ attempts }) => attempts)).toEqual([1, 2]);
  const [message] = await messagesOf(rabbit.url, 'dead.dead');
  expect(message?.properties.headers).toMatchObject({
    attempts: 3,
    reason: 'WRONGTYPE',
    table: 'shop.users',
    position: 'binlog.000007:1234',
    kind: 'set',
  });
  const report = errors.find((error) => error instanceof DeadLetterError);
  expect(report?.message).toMatch(
    /^A value was given up after 3 attempts \(WRONGTYPE\); it is kept in the dead-letter queue: [-0-9a-f]{36} \(table shop\.users, position binlog\.000007:1234\)$/,
  );
  expect(report?.message).not.toContain('key ');

  await service.park([other], never);
  await waitFor(() => service.counters.deadLettered === 2);
  const { deadLetters } = service;
  // Looked at often, as a page would: nothing moves or wears out.
  for (let round = 0; round < 25; round++) {
    expect((await deadLetters.list()).map(({ id }) => id)).toEqual([command.id, other.id]);
    expect((await deadLetters.list({ limit: 1 })).map(({ id }) => id)).toEqual([command.id]);
  }
  expect(await deadLetters.list({ limit: 1 })).toEqual([
    {
      id: command.id,
      kind: 'set',
      key: `key ${command.id}`,
      table: 'shop.users',
      position: command.position,
      reason: 'WRONGTYPE',
      attempts: 3,
      parkedAt: new Date(command.parkedAt),
      deadAt: expect.any(Date) as Date,
    },
  ]);

  refused = false;
  const results = await Promise.all([
    deadLetters.requeue(command.id, 'unknown'),
    deadLetters.list(),
    deadLetters.discard(other.id),
    deadLetters.discard(other.id),
  ]);
  expect([results[0], results[1].map(({ id }) => id), results[2], results[3]]).toEqual([1, [other.id], 1, 0]);
  await waitFor(() => service.counters.retried === 1);
  expect(executor.calls.get(command.id)?.at(-1)?.attempts).toBe(0);
  expect(await deadLetters.list()).toEqual([]);
});

it('that cannot be read goes to the dead letters as it is, also that of another source', async () => {
  const { service, executor, errors } = await started('odd');
  const foreign = make('odd', {}, 'orders');
  expect(await foreign.service.check()).toEqual([]);
  await withRabbit(rabbit.url, async (channel) => {
    channel.sendToQueue('odd', Buffer.from('{"none": of ours'));
    await channel.checkQueue('odd');
  });
  await foreign.service.park([parked()], never);
  await waitFor(() => service.counters.deadLettered === 2);
  expect(executor.calls.size).toBe(0);
  const bodies = (await messagesOf(rabbit.url, 'odd.dead')).map(({ content }) => content.toString());
  expect(bodies[0]).toBe('{"none": of ours');
  expect(errors.map(({ message }) => message)).toEqual([
    expect.stringContaining('A message in the queue "odd" is unreadable'),
    expect.stringContaining('of another source, "orders"'),
  ]);
  const [letter] = await service.deadLetters.list();
  expect(letter).toMatchObject({ kind: 'unreadable', reason: 'unreadable', position: undefined });
  expect(await service.deadLetters.requeue(letter?.id ?? '')).toBe(0);
  expect(await service.deadLetters.discard(letter?.id ?? '')).toBe(1);
});

it('holds no more than the prefetch while the executor waits, and what is in hand is not lost by a stop', async () => {
  const executor = new FakeExecutor();
  let open = 0;
  executor.answer = (_command, signal) =>
    new Promise((_resolve, reject) => {
      open++;
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
  const { service } = await started('held', { backoffMillis: 1, maxBackoffMillis: 1 }, executor);
  const commands = manyParked(40);
  await service.park(commands, never);
  await waitFor(async () => open === 16 && (await counts('held')) === 24);
  // Nothing was handed out or put back meanwhile.
  expect(executor.calls.size).toBe(16);
  const cutOff = new AbortController();
  cutOff.abort(new Error('the shutdown took too long'));
  await service.stop(cutOff.signal);
  await waitFor(async () => (await counts('held')) === 40);

  const { executor: second } = await started('held');
  await waitFor(() => second.hasAll(commands));
});

it('is finished by a stop that is not cut off, and nothing is taken afterwards', async () => {
  const executor = new FakeExecutor();
  let finish: () => void = () => undefined;
  const release = new Promise<void>((resolve) => (finish = resolve));
  executor.answer = async () => {
    await release;
    return { done: true };
  };
  const { service } = await started('finish', { backoffMillis: 1, maxBackoffMillis: 1 }, executor);
  await service.park(manyParked(20), never);
  await waitFor(() => executor.calls.size === 16);
  const stopped = service.stop();
  await waitFor(async () => (await counts('finish')) === 4);
  finish();
  await stopped;
  expect(executor.calls.size).toBe(16);
  expect(service.counters.retried).toBe(16);
  expect(await counts('finish')).toBe(4);
  await expect(service.park([parked()], never)).rejects.toThrow('The retries were stopped');
});

it('counts as not published when no queue takes it; the binding is made again', async () => {
  const { service, executor, errors } = await started('unbound', { maxAttempts: 1 });
  await service.park([parked()], never);
  await withRabbit(rabbit.url, (channel) =>
    channel.unbindQueue('unbound.dead', 'unbound.x.dlx', 'unbound.dead'),
  );
  await service.park([parked()], never);
  expect(executor.calls.size).toBe(0);
  expect((await service.deadLetters.list()).length).toBe(2);
  const [report] = errors.filter((error) => error instanceof RetryUnavailableError);
  expect(report?.message).toContain('no queue takes messages with the key "unbound.dead"');
});

it('survives that its queues are deleted under it, with what is parked afterwards', async () => {
  const { service, executor } = await started('gone');
  await withRabbit(rabbit.url, async (channel) => {
    await waitFor(async () => (await channel.checkQueue('gone')).consumerCount === 1);
    for (const queue of ['gone', 'gone.wait.100', 'gone.dead']) await channel.deleteQueue(queue);
  });
  const command = parked();
  await service.park([command], never);
  // When this made the queues again too soon for the broker, it comes with the next consumer, as below.
  await waitFor(() => executor.hasAll([command]), { timeoutMillis: 30_000 });
});

it('survives that its queue is deleted and made again at once, of which the broker tells nobody', async () => {
  const { service, executor } = await started('remade');
  const mq = { urls: [rabbit.url], exchange: 'remade.x', queue: 'remade' };
  await withRabbit(rabbit.url, async (channel) => {
    await waitFor(async () => (await channel.checkQueue('remade')).consumerCount === 1);
    await channel.deleteQueue('remade');
    await new Topology('default', mq, [100, 200]).declare(channel);
  });
  const command = parked();
  await service.park([command], never);
  await waitFor(() => executor.hasAll([command]), { timeoutMillis: 30_000 });
});

it.each(['queue', 'exchange'])(
  'is a fault at the start when the %s exists with other properties',
  async (what) => {
    const name = `taken-${what}`;
    await withRabbit(rabbit.url, async (channel) => {
      if (what === 'queue') await channel.assertQueue(name, { durable: true });
      else await channel.assertExchange(`${name}.x`, 'topic', { durable: true });
    });
    const [fault, ...others] = await make(name).service.check();
    expect(others).toEqual([]);
    expect(fault?.subject).toBe('retry.mq');
    expect(fault?.problem).toContain(
      `the ${what} "${what === 'queue' ? name : `${name}.x`}" exists already with other properties`,
    );
    expect(fault?.fix).toContain('Delete it');
  },
);

it('is a fault at the start when login or virtual host are refused, without the password', async () => {
  for (const [change, problem] of [
    [{ password: 's3cret' }, 'RabbitMQ refuses the login'],
    [{ pathname: '/none' }, 'RabbitMQ refuses the virtual host'],
  ] as const) {
    const url = String(Object.assign(new URL(rabbit.url), change));
    const { service, errors, stop } = retries({ mq: { url } });
    const faults = await service.check();
    await stop();
    expect(faults).toMatchObject([
      { subject: 'retry.mq.url', problem: expect.stringContaining(problem) as string },
    ]);
    expect(JSON.stringify([faults, errors.map(({ message }) => message)])).not.toContain('s3cret');
  }
});

it('is held loudly while the broker blocks publishers, and goes on afterwards', async () => {
  const { service, executor, codes } = await started('blocked');
  await rabbit.control('set_vm_memory_high_watermark', 'absolute', '1');
  const command = parked();
  let resolved = false;
  // The broker says that it blocks only once somebody publishes.
  const parking = service.park([command], never).then(() => (resolved = true));
  await waitFor(() => service.state === 'blocked', { timeoutMillis: 30_000 });
  expect(resolved).toBe(false);
  expect(codes()).toContain('CACHEFLOW_RETRY_UNAVAILABLE');
  const cutOff = new AbortController();
  const second = service.park([parked()], cutOff.signal);
  cutOff.abort(new Error('the caller had enough'));
  await expect(second).rejects.toThrow('the caller had enough');
  await rabbit.control('set_vm_memory_high_watermark', '0.4');
  await parking;
  await waitFor(() => executor.hasAll([command]));
  expect(service.state).toBe('connected');
});
