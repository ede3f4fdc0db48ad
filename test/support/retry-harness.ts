import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { AmqpConnection } from '@golevelup/nestjs-rabbitmq';
import type { ModuleRef } from '@nestjs/core';
import type { RedisOptions } from 'ioredis';
import { expect } from 'vitest';
import type { CacheflowError, RetryOptions } from '../../lib';
import { resolveConfig } from '../../lib/config/cacheflow.config';
import { ErrorReporter } from '../../lib/errors/error-reporter';
import { RedisConnection } from '../../lib/redis/redis-connection';
import { RedisHold } from '../../lib/redis/redis-hold';
import type { AmqpChannel, AmqpMessage } from '../../lib/rabbitmq/amqp';
import type { ParkedCommand, ParkedWork, RetryExecutor } from '../../lib/retry/parked-command';
import { RetryService } from '../../lib/retry/retry.service';

/** A RetryService without an app around it. */
export interface Retries {
  readonly service: RetryService;
  readonly errors: CacheflowError[];
  codes(): string[];
  stop(): Promise<void>;
}

export function retries(retry: RetryOptions, redis: RedisOptions = {}, name = 'default'): Retries {
  const config = resolveConfig({
    mysql: { user: 'nobody' },
    redis,
    tables: [{ db: 'shop', table: 'users' }],
    retry,
  });
  expect(config.faults).toEqual([]);
  const reporter = new ErrorReporter(name);
  const errors: CacheflowError[] = [];
  reporter.errors$.subscribe((error) => errors.push(error));
  // Only a namespace of nestjs-redis asks it.
  const connection = new RedisConnection(config, undefined as unknown as ModuleRef, reporter);
  if (redis.port !== undefined) connection.resolve();
  const service = new RetryService(name, config, connection, new RedisHold(connection, reporter), reporter);
  return {
    service,
    errors,
    codes: () => errors.map(({ code }) => code),
    stop: async () => {
      await service.stop();
      connection.close();
    },
  };
}

export function parked(change: Partial<ParkedCommand> = {}, work: Partial<ParkedWork> = {}): ParkedCommand {
  const id = randomUUID();
  return {
    id,
    work: {
      kind: 'set',
      key: `key ${id}`,
      value: '{"id":1}',
      ttlSeconds: 60,
      version: '1',
      ...work,
    } as ParkedWork,
    table: 'shop.users',
    position: { file: 'binlog.000007', offset: 1234 },
    reason: 'OOM',
    attempts: 1,
    parkedAt: Date.now(),
    ...change,
  };
}

export function manyParked(count: number, change: Partial<ParkedCommand> = {}): ParkedCommand[] {
  return Array.from({ length: count }, () => parked(change));
}

/** An executor that counts its calls by command, and answers what it is told. */
export class FakeExecutor {
  readonly calls = new Map<string, ParkedCommand[]>();
  answer: RetryExecutor = async () => ({ done: true });

  readonly execute: RetryExecutor = async (command, signal) => {
    this.calls.set(command.id, [...(this.calls.get(command.id) ?? []), command]);
    return this.answer(command, signal);
  };

  /** Whether each of the commands was executed at least once. */
  hasAll(commands: readonly ParkedCommand[]): boolean {
    return commands.every(({ id }) => this.calls.has(id));
  }
}

export const never = new AbortController().signal;
// As the tail's own.
setMaxListeners(0, never);

export interface RabbitChannel extends AmqpChannel {
  deleteQueue(queue: string): Promise<unknown>;
  unbindQueue(queue: string, exchange: string, key: string): Promise<unknown>;
  checkQueue(queue: string): Promise<{ messageCount: number; consumerCount: number }>;
  sendToQueue(queue: string, content: Buffer, options?: object): boolean;
  publish(exchange: string, key: string, content: Buffer, options?: object): boolean;
  assertQueue(queue: string, options: object): Promise<unknown>;
}

/** Does something on a channel of its own connection. */
export async function withRabbit<T>(url: string, task: (channel: RabbitChannel) => Promise<T>): Promise<T> {
  const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };
  const amqp = new AmqpConnection({ uri: url, enableDirectReplyTo: false, logger: silent });
  await amqp.init();
  try {
    const channel = (await amqp.connection.createChannel()) as unknown as RabbitChannel;
    channel.on('error', () => undefined);
    return await task(channel);
  } finally {
    await amqp.close();
  }
}

/** All messages of a queue, which stay there. */
export async function messagesOf(url: string, queue: string): Promise<AmqpMessage[]> {
  return withRabbit(url, async (channel) => {
    const messages: AmqpMessage[] = [];
    for (let next = await channel.get(queue); next; next = await channel.get(queue)) messages.push(next);
    return messages;
  });
}
