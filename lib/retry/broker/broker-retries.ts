import type { ResolvedRetryOptions } from '../../config/resolve-retry';
import type { ConfigurationFault } from '../../errors/configuration.error';
import type { ErrorReporter } from '../../errors/error-reporter';
import { RetryUnavailableError } from '../../errors/retry.errors';
import { CacheflowStoppedError } from '../../errors/source.errors';
import { BackoffLevels, jittered } from '../backoff-levels';
import type { DeadLetters } from '../dead-letters';
import { deadLetterError } from '../describe-command';
import { eachLimited } from '../../support/each-limited';
import type { ParkedCommand } from '../parked-command';
import type { RetryCounters, RetryPath, RetryState, SafeExecutor } from '../retry-path';
import type { AmqpChannel, AmqpMessage, NestRabbitmq } from '../../rabbitmq/amqp';
import { BrokerConnection } from '../../rabbitmq/broker-connection';
import { BrokerDeadLetters } from './broker-dead-letters';
import { checkBroker, declareOn } from '../../rabbitmq/check-broker';
import { commandMessage, commandOf, rawMessage, sourceOf } from './messages';
import { MessageTooLargeError, Publisher } from '../../rabbitmq/publisher';
import { Topology } from './topology';
import { QueueConsumer } from '../../rabbitmq/queue-consumer';

/** Messages that wait for their confirm at once. */
const CONCURRENCY = 100;

export interface BrokerContext {
  readonly name: string;
  readonly options: ResolvedRetryOptions;
  readonly mq: NonNullable<ResolvedRetryOptions['mq']>;
  readonly nestRabbitmq: NestRabbitmq;
  readonly errors: ErrorReporter;
  readonly counters: RetryCounters;
  readonly execute: SafeExecutor;
  /** Takes what no message can hold. */
  readonly inPlace: RetryPath;
}

/** Parks commands in RabbitMQ: a wait queue for each backoff, from which they fall into the work queue by themselves. */
export class BrokerRetries implements RetryPath {
  readonly deadLetters: DeadLetters;
  private readonly connection: BrokerConnection;
  private readonly topology: Topology;
  private readonly publisher: Publisher;
  private readonly consumer: QueueConsumer;
  private readonly levels: BackoffLevels;

  constructor(private readonly context: BrokerContext) {
    const { name, options, mq, nestRabbitmq, errors } = context;
    this.levels = new BackoffLevels(options);
    this.topology = new Topology(name, mq, this.levels.all);
    this.connection = new BrokerConnection(nestRabbitmq, { urls: mq.urls, tls: mq.tls }, errors);
    this.publisher = new Publisher(this.connection, this.topology);
    this.consumer = new QueueConsumer(this.connection, this.topology.queue, this.topology, (...args) =>
      this.handle(...args),
    );
    this.deadLetters = new BrokerDeadLetters(this.connection, this.topology, mq.urls, (command, signal) =>
      this.publisher.publish(commandMessage(name, command, this.topology.work), signal),
    );
  }

  get state(): RetryState {
    return this.connection.state;
  }

  async check(): Promise<readonly ConfigurationFault[]> {
    const { mq, errors } = this.context;
    return checkBroker(this.connection, mq.urls, errors, async (session) => {
      await declareOn(session, this.topology);
      return [];
    });
  }

  start(): void {
    this.consumer.start();
  }

  async park(commands: readonly ParkedCommand[], signal: AbortSignal): Promise<void> {
    const tooLarge: ParkedCommand[] = [];
    await eachLimited(CONCURRENCY, commands, async (command) => {
      try {
        await this.put(command, signal);
      } catch (error) {
        if (!(error instanceof MessageTooLargeError)) throw error;
        tooLarge.push(command);
      }
    });
    if (tooLarge.length > 0) await this.context.inPlace.park(tooLarge, signal);
  }

  async stop(cutOff: AbortSignal): Promise<void> {
    const reason = new CacheflowStoppedError('The retries were stopped');
    await this.consumer.stop(reason, cutOff);
    this.publisher.close(reason);
    await this.connection.close();
  }

  /** Into the wait queue of its next attempt, or to the dead letters. */
  private async put(command: ParkedCommand, signal: AbortSignal): Promise<void> {
    const { name, options, counters, errors } = this.context;
    if (command.attempts < options.maxAttempts) {
      const millis = this.levels.after(command.attempts);
      const route = this.topology.wait(millis);
      const message = commandMessage(name, command, route, { expiration: jittered(millis) });
      await this.publisher.publish(message, signal);
      return;
    }
    const message = commandMessage(name, command, this.topology.dead, { deadAt: Date.now() });
    await this.publisher.publish(message, signal);
    counters.deadLettered++;
    errors.report(deadLetterError(command, 'it is kept in the dead-letter queue'));
  }

  /** Acknowledges only what was done or what the broker has again. */
  private async handle(message: AmqpMessage, channel: AmqpChannel, signal: AbortSignal): Promise<void> {
    const { name, counters, execute } = this.context;
    const command = commandOf(message);
    const source = sourceOf(message);
    if (!command) return this.setAside(message, channel, signal, 'unreadable');
    if (source !== undefined && source !== name) {
      return this.setAside(message, channel, signal, `of another source, "${source}"`);
    }
    const result = await execute(command, signal);
    if (result.done) {
      counters.retried++;
      channel.ack(message);
      return;
    }
    const failed = { ...command, attempts: command.attempts + 1, reason: result.reason };
    try {
      await this.put(failed, signal);
      channel.ack(message);
    } catch (error) {
      if (!(error instanceof MessageTooLargeError)) throw error;
      // It came in under another limit; the broker moves it by itself.
      channel.nack(message, false, false);
    }
  }

  /** A message that nobody here can do goes to the dead letters as it is. */
  private async setAside(
    message: AmqpMessage,
    channel: AmqpChannel,
    signal: AbortSignal,
    reason: string,
  ): Promise<void> {
    const { counters, errors } = this.context;
    await this.publisher.publish(rawMessage(message, this.topology.dead, reason), signal);
    channel.ack(message);
    counters.deadLettered++;
    errors.report(
      new RetryUnavailableError(
        `A message in the queue "${this.topology.queue}" is ${reason}; it was moved to the dead letters. ` +
          'Give each group a queue of its own, and let nobody else write into it.',
      ),
    );
  }
}
