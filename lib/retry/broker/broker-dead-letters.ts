import { messageOf } from '../../errors/cacheflow.error';
import { RetryUnavailableError } from '../../errors/retry.errors';
import type { DeadLetter, DeadLetters } from '../dead-letters';
import { Mutex } from '../../support/mutex';
import type { ParkedCommand } from '../parked-command';
import type { AmqpChannel, AmqpMessage } from '../../rabbitmq/amqp';
import type { BrokerConnection } from '../../rabbitmq/broker-connection';
import { redacted } from '../../rabbitmq/broker-faults';
import { commandOf, deadLetterId, deadLetterOf } from './messages';
import type { Topology } from './topology';

/** What a person does with the dead-letter queue. One call at a time, because each sees only what no other holds. */
export class BrokerDeadLetters implements DeadLetters {
  private readonly mutex = new Mutex();

  constructor(
    private readonly connection: BrokerConnection,
    private readonly topology: Topology,
    private readonly urls: readonly string[],
    /** Resolves once the broker has the message in the work queue. */
    private readonly putBack: (command: ParkedCommand, signal: AbortSignal) => Promise<void>,
  ) {}

  async list({ limit = 100 }: { limit?: number } = {}): Promise<DeadLetter[]> {
    const letters: DeadLetter[] = [];
    await this.look(async (message) => {
      // All are looked at: what was put back earlier stands behind younger ones.
      letters.push(deadLetterOf(message));
      if (letters.length >= 2 * limit + 100) keepOldest(letters, limit);
      return true;
    }, limit > 0);
    keepOldest(letters, limit);
    return letters;
  }

  async requeue(...ids: string[]): Promise<number> {
    return this.take(ids, async (message, signal) => {
      const command = commandOf(message);
      // What cannot be read cannot be tried again, and stays.
      if (!command) return false;
      await this.putBack({ ...command, attempts: 0 }, signal);
      return true;
    });
  }

  async discard(...ids: string[]): Promise<number> {
    return this.take(ids, async () => true);
  }

  private async take(
    ids: readonly string[],
    first: (message: AmqpMessage, signal: AbortSignal) => Promise<boolean>,
  ): Promise<number> {
    const wanted = new Set(ids);
    const found = new Set<string>();
    await this.look(async (message, channel, signal) => {
      const id = deadLetterId(message);
      if (wanted.has(id) && (found.has(id) || (await first(message, signal)))) {
        channel.ack(message);
        found.add(id);
      }
      // The same letter may stand there twice: all of it is looked through.
      return true;
    }, wanted.size > 0);
    return found.size;
  }

  /** Shows each message until `visit` says no; what was not acknowledged then goes back into the queue. */
  private async look(
    visit: (message: AmqpMessage, channel: AmqpChannel, signal: AbortSignal) => Promise<boolean>,
    any: boolean,
  ): Promise<void> {
    if (!any) return;
    await this.mutex.run(async () => {
      const { state } = this.connection;
      if (state !== 'connected') {
        throw new RetryUnavailableError(`The dead letters are out of reach: RabbitMQ is ${state}`);
      }
      const broken = new AbortController();
      try {
        const session = await this.connection.ready(broken.signal);
        const channel = await session.createChannel();
        channel.on('error', (error) => broken.abort(error));
        channel.on('close', () => broken.abort(new Error('the channel was closed')));
        await this.topology.declare(channel);
        for (;;) {
          const message = await channel.get(this.topology.dlq);
          if (!message || !(await visit(message, channel, broken.signal))) break;
        }
        await channel.close();
      } catch (cause) {
        throw new RetryUnavailableError(
          `The dead letters are out of reach (${redacted(messageOf(cause), this.urls)})`,
          { cause },
        );
      }
    });
  }
}

function keepOldest(letters: DeadLetter[], limit: number): void {
  letters.sort((a, b) => a.deadAt.getTime() - b.deadAt.getTime());
  letters.splice(limit);
}
