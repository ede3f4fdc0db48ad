import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { CacheflowConfig } from '../config/cacheflow.config';
import { CACHEFLOW_CONFIG, CACHEFLOW_NAME } from '../support/injection-tokens';
import { errorKind } from '../errors/change.errors';
import type { ConfigurationFault } from '../errors/configuration.error';
import { ErrorReporter } from '../errors/error-reporter';
import { CacheflowStoppedError } from '../errors/source.errors';
import type { ChangeEvent } from '../change/change-event';
import { nameOf } from '../change/table-name';
import { RedisConnection } from '../redis/redis-connection';
import { RedisHold } from '../redis/redis-hold';
import type { NestRabbitmq } from '../rabbitmq/amqp';
import { BrokerRetries } from './broker/broker-retries';
import type { DeadLetters } from './dead-letters';
import { InPlaceRetries } from './in-place/in-place-retries';
import type { ParkedCommand, RetryExecutor, RetryResult } from './parked-command';
import type { RetryCounters, RetryPath, RetryState } from './retry-path';

/** How long `stop` waits for what is in hand when nobody cuts it off earlier. */
const GRACE_MILLIS = 5_000;

/** Tries commands again that failed, one per source. */
@Injectable()
export class RetryService {
  /** True when commands go to RabbitMQ, false when they are tried again in place. */
  readonly viaBroker: boolean;
  readonly counters: RetryCounters = { parked: 0, retried: 0, deadLettered: 0 };
  private readonly inPlace: InPlaceRetries;
  private broker: BrokerRetries | undefined;
  private executor: RetryExecutor | undefined;

  constructor(
    @Inject(CACHEFLOW_NAME) private readonly name: string,
    @Inject(CACHEFLOW_CONFIG) private readonly config: CacheflowConfig,
    @Inject(RedisConnection) redis: RedisConnection,
    @Inject(RedisHold) hold: RedisHold,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
  ) {
    const { counters } = this;
    this.viaBroker = config.retry.mq !== undefined;
    this.inPlace = new InPlaceRetries({
      name,
      options: config.retry,
      redis,
      hold,
      errors,
      counters,
      execute: (command, signal) => this.execute(command, signal),
    });
  }

  get state(): RetryState {
    return this.viaBroker ? (this.broker?.state ?? 'connecting') : 'off';
  }

  /** What was given up on. */
  get deadLetters(): DeadLetters {
    return this.path.deadLetters;
  }

  /** Connects, and says what is wrong. A broker that is away is no fault: it is told, and waited for. */
  async check(): Promise<readonly ConfigurationFault[]> {
    const { name, errors, counters, inPlace } = this;
    const { retry } = this.config;
    if (!retry.mq) return [];
    let nestRabbitmq: NestRabbitmq;
    try {
      nestRabbitmq = require('@golevelup/nestjs-rabbitmq') as NestRabbitmq;
    } catch {
      return [
        {
          subject: 'retry.mq',
          problem: 'the package @golevelup/nestjs-rabbitmq is not installed',
          fix: 'npm install @golevelup/nestjs-rabbitmq, or leave `retry.mq` out, so that commands are tried again in place',
        },
      ];
    }
    this.broker = new BrokerRetries({
      name,
      options: retry,
      mq: retry.mq,
      nestRabbitmq,
      errors,
      counters,
      inPlace,
      execute: (command, signal) => this.execute(command, signal),
    });
    return this.broker.check();
  }

  /** Begins to take what waits. */
  start(executor: RetryExecutor): void {
    this.executor = executor;
    this.broker?.start();
  }

  /**
   * Resolves once every command is safe elsewhere (the broker's confirm) or done. Without a broker they are tried
   * again in place, holding the caller, and then put among the dead letters.
   *
   * Rejects only with the signal's reason, or after `stop`.
   */
  async park(commands: readonly ParkedCommand[], signal: AbortSignal): Promise<void> {
    this.counters.parked += commands.length;
    await this.path.park(commands, signal);
  }

  /**
   * Parks a handler call that was given up after so many attempts. Without a broker it has had its attempts, and
   * goes straight to the dead letters.
   */
  async parkHandler(
    handler: string,
    event: ChangeEvent,
    failure: { attempts: number; cause: unknown },
    signal: AbortSignal,
  ): Promise<void> {
    const { file, offset } = event.position;
    const command: ParkedCommand = {
      id: randomUUID(),
      work: { kind: 'handler', handler, event },
      table: nameOf(event),
      position: { file, offset },
      reason: errorKind(failure.cause),
      attempts: this.viaBroker ? 0 : failure.attempts,
      parkedAt: Date.now(),
    };
    if (this.viaBroker) await this.park([command], signal);
    else await this.inPlace.addDeadLetter(command, signal);
  }

  /**
   * Finishes what is in hand, and closes channel and connection.
   *
   * @param cutOff leaves what is in hand to whoever gets it next; 5 seconds without it
   */
  async stop(cutOff?: AbortSignal): Promise<void> {
    const grace = new AbortController();
    const end = (): void => grace.abort(new CacheflowStoppedError('The retries were stopped'));
    const timer = setTimeout(end, GRACE_MILLIS);
    cutOff?.addEventListener('abort', end, { once: true });
    if (cutOff?.aborted) end();
    try {
      await this.inPlace.stop();
      await this.broker?.stop(grace.signal);
    } finally {
      clearTimeout(timer);
      cutOff?.removeEventListener('abort', end);
    }
  }

  private get path(): RetryPath {
    if (!this.viaBroker) return this.inPlace;
    if (!this.broker) throw new CacheflowStoppedError(`Cacheflow "${this.name}" was not started`);
    return this.broker;
  }

  private async execute(command: ParkedCommand, signal: AbortSignal): Promise<RetryResult> {
    if (!this.executor) throw new CacheflowStoppedError(`Cacheflow "${this.name}" was not started`);
    try {
      return await this.executor(command, signal);
    } catch (cause) {
      if (signal.aborted) throw cause;
      return { done: false, reason: errorKind(cause) };
    }
  }
}
