import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RetryOptions } from '../../../lib';
import { RetryUnavailableError } from '../../../lib';
import type { RetryService } from '../../../lib/retry/retry.service';
import type { RabbitMqServer } from '../../support/servers';
import { createTls, startRabbitmq } from '../../support/servers';
import type { Retries } from '../../support/retry-harness';
import { FakeExecutor, manyParked, never, parked, retries } from '../../support/retry-harness';
import { waitFor } from '../../support/wait-for';

// Whatever happens to the broker, nothing that was parked is lost, and nothing waits in silence.

const running: Retries[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
});

async function started(
  url: string,
  queue: string,
  { tls, ...more }: Omit<RetryOptions, 'mq'> & { tls?: { ca: Buffer } } = {},
): Promise<Retries & { executor: FakeExecutor }> {
  const executor = new FakeExecutor();
  const options = { maxAttempts: 3, backoffMillis: 100, maxBackoffMillis: 400, ...more };
  const made = retries({ ...options, mq: { url, queue, exchange: `${queue}.x`, tls } });
  running.push(made);
  expect(await made.service.check()).toEqual([]);
  made.service.start(executor.execute);
  return { ...made, executor };
}

describe('a broker', () => {
  let rabbit: RabbitMqServer;
  beforeAll(async () => {
    rabbit = await startRabbitmq();
  });
  afterAll(async () => {
    await rabbit?.dispose();
  });

  /**
   * To be called before the broker is killed with messages in it. RabbitMQ 3.10 writes the name of a new quorum queue to
   * disk some seconds late, and without its name finds nothing of a queue again; a clean restart has written them.
   */
  async function queuesOnDisk(service: RetryService): Promise<void> {
    await rabbit.restart();
    await waitFor(() => service.state === 'connected', { timeoutMillis: 60_000, message: 'the connection' });
  }

  it('that is killed right after the confirms has every message when it is back', async () => {
    const { service, executor, errors } = await started(rabbit.url, 'killed', {
      backoffMillis: 1_000,
      maxBackoffMillis: 1_000,
    });
    await queuesOnDisk(service);
    const commands = manyParked(300);
    await service.park(commands, never);
    await rabbit.kill();
    await waitFor(() => service.state === 'connecting');
    expect(errors.some((error) => error instanceof RetryUnavailableError)).toBe(true);
    await rabbit.start();
    await waitFor(() => executor.hasAll(commands), { timeoutMillis: 60_000 });
    await waitFor(() => service.counters.retried >= commands.length);
  }, 240_000);

  it('that is killed while messages move between its queues loses none of them', async () => {
    const { service, executor } = await started(rabbit.url, 'moving', { backoffMillis: 200 });
    executor.answer = async () => ({ done: false, reason: 'OOM' });
    await queuesOnDisk(service);
    const commands = manyParked(1_000);
    await service.park(commands, never);
    // In the midst of it: some are in the wait queues, on their way, in hand, and among the dead letters.
    await waitFor(() => service.counters.deadLettered > 50);
    expect(service.counters.deadLettered).toBeLessThan(900);
    await rabbit.kill();
    await rabbit.start();
    const ids = new Set<string>();
    await waitFor(
      async () => {
        const letters = await service.deadLetters.list({ limit: 10_000 });
        for (const { id } of letters) ids.add(id);
        return ids.size >= commands.length;
      },
      { timeoutMillis: 60_000, message: 'all dead letters' },
    );
    expect(commands.filter(({ id }) => !ids.has(id))).toEqual([]);
  }, 240_000);

  it('that is away is waited for, at the start and later, with one report and then one each 10 s', async () => {
    await rabbit.kill();
    const { service, executor, errors } = await started(rabbit.url, 'away');
    expect(service.state).toBe('connecting');
    const first = parked();
    let isParked = false;
    const parking = service.park([first], never).then(() => (isParked = true));
    await expect(service.deadLetters.list()).rejects.toThrow(RetryUnavailableError);
    await waitFor(() => errors.length === 2);
    expect(errors[1]?.message).toMatch(/the app starts without it, and it is waited for$/);
    // Many attempts to connect later.
    await waitFor(() => errors.length === 3, { timeoutMillis: 15_000 });
    expect(errors[2]?.message).toMatch(
      /^RabbitMQ cannot be reached .* what has to be parked is held meanwhile$/,
    );
    expect(isParked).toBe(false);
    await rabbit.start();
    await parking;
    await waitFor(() => executor.hasAll([first]));

    await rabbit.kill();
    const second = manyParked(20);
    const later = service.park(second, never);
    const cutOff = new AbortController();
    const given = service.park([parked()], cutOff.signal);
    cutOff.abort(new Error('the caller had enough'));
    await expect(given).rejects.toThrow('the caller had enough');
    await rabbit.start();
    await later;
    await waitFor(() => executor.hasAll(second));
  });

  it.each(['before', 'after'])('that hangs %s it has a consumer does not hold up a stop', async (when) => {
    const { service, executor } = await started(rabbit.url, `hangs-${when}`);
    if (when === 'after') {
      const command = parked();
      await service.park([command], never);
      await waitFor(() => executor.hasAll([command]));
    }
    rabbit.pause();
    try {
      const at = Date.now();
      await service.stop();
      expect(Date.now() - at).toBeLessThan(10_000);
    } finally {
      rabbit.resume();
    }
  });

  it.each(['there', 'away'])(
    'that is %s leaves nothing open after a stop: the process ends',
    async (state) => {
      const url = state === 'there' ? rabbit.url : 'amqp://127.0.0.1:1/';
      const script = join(__dirname, '../../support/fixtures/retry-and-stop.cjs');
      const child = spawn(process.execPath, [script, url], { stdio: ['ignore', 'pipe', 'inherit'] });
      // From the start: it may end in the moment in which it says that it stopped.
      const exited = once(child, 'exit');
      let printed = '';
      child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
      await waitFor(() => printed.includes('stopped'), { timeoutMillis: 20_000 });
      const at = Date.now();
      await exited;
      expect(Date.now() - at).toBeLessThan(2_000);
      expect(printed).toContain(state === 'there' ? 'retried 1' : 'retried 0');
    },
  );
});

it('amqps with a private CA works, and without the CA it is a fault at the start', async () => {
  const tls = await createTls();
  const rabbit = await startRabbitmq({ tls });
  try {
    const { service, executor } = await started(rabbit.url, 'tls', { tls: { ca: readFileSync(tls.ca) } });
    const command = parked();
    await service.park([command], never);
    await waitFor(() => executor.hasAll([command]));

    const without = retries({ mq: { url: rabbit.url } });
    running.push(without);
    expect(await without.service.check()).toMatchObject([
      {
        subject: 'retry.mq.tls',
        problem: expect.stringMatching(/^the certificate of RabbitMQ is not accepted/) as string,
      },
    ]);
  } finally {
    await Promise.all(running.splice(0).map((each) => each.stop()));
    await rabbit.dispose();
    await tls.dispose();
  }
});
