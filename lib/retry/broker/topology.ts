import { DEFAULT_NAME } from '../../support/injection-tokens';
import type { ResolvedRetryOptions } from '../../config/resolve-retry';
import type { AmqpChannel } from '../../rabbitmq/amqp';
import type { Declarations, Route } from '../../rabbitmq/declarations';
import { deadLettering, declared, quorum } from '../../rabbitmq/declarations';

const DEFAULT_QUEUE = 'cacheflow.retry';
/**
 * Deliveries of one message without an answer, e.g. to processes that die of it, before it becomes a dead letter.
 * Set, because RabbitMQ 4 has a limit of its own (20) and earlier versions have none.
 */
const WORK_DELIVERIES = 100;
/** Dead letters are looked at as often as one likes; with the limit of RabbitMQ 4 the 21st look would drop them. */
const DEAD_DELIVERIES = 1_000_000_000;

/**
 * The exchanges and queues of a source. All queues are quorum queues, which can dead-letter at least once: a classic
 * queue takes a message out before its target has confirmed it.
 */
export class Topology implements Declarations {
  readonly exchange: string;
  readonly queue: string;
  readonly routingKey: string;
  readonly dlx: string;
  readonly dlq: string;

  constructor(
    source: string,
    mq: NonNullable<ResolvedRetryOptions['mq']>,
    private readonly levels: readonly number[],
  ) {
    this.exchange = mq.exchange ?? 'cacheflow';
    this.queue = mq.queue ?? (source === DEFAULT_NAME ? DEFAULT_QUEUE : `cacheflow.${source}.retry`);
    // Two queues of one exchange must not share a key, or each would get the other's messages too.
    this.routingKey = mq.routingKey ?? (this.queue === DEFAULT_QUEUE ? 'retry' : this.queue);
    this.dlx = mq.dlx ?? `${this.exchange}.dlx`;
    this.dlq = mq.dlq ?? `${this.queue}.dead`;
  }

  /** Tried again at once. */
  get work(): Route {
    return { exchange: this.exchange, key: this.routingKey };
  }

  /** Tried again later. */
  wait(millis: number): Route {
    return { exchange: '', key: this.waitQueue(millis) };
  }

  get dead(): Route {
    return { exchange: this.dlx, key: this.dlq };
  }

  /**
   * Makes what is not there yet.
   *
   * @throws DeclareError when it is there in another form or may not be made
   */
  async declare(channel: AmqpChannel): Promise<void> {
    const { exchange, queue, dlx, dlq } = this;
    for (const name of new Set([exchange, dlx])) {
      await declared(`exchange "${name}"`, () => channel.assertExchange(name, 'direct', { durable: true }));
    }
    await declared(`queue "${dlq}"`, () =>
      channel.assertQueue(dlq, quorum({ 'x-delivery-limit': DEAD_DELIVERIES })),
    );
    await declared(`binding of the queue "${dlq}"`, () => channel.bindQueue(dlq, dlx, dlq));
    const toDead = deadLettering(this.dead);
    await declared(`queue "${queue}"`, () =>
      channel.assertQueue(queue, quorum({ ...toDead, 'x-delivery-limit': WORK_DELIVERIES })),
    );
    await declared(`binding of the queue "${queue}"`, () =>
      channel.bindQueue(queue, exchange, this.routingKey),
    );
    for (const millis of this.levels) {
      const name = this.waitQueue(millis);
      const options = quorum({ ...deadLettering(this.work), 'x-message-ttl': millis });
      await declared(`queue "${name}"`, () => channel.assertQueue(name, options));
    }
  }

  private waitQueue(millis: number): string {
    return `${this.queue}.wait.${millis}`;
  }
}
