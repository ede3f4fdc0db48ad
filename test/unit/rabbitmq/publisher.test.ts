import { expect, it } from 'vitest';
import type { AmqpConfirmChannel } from '../../../lib/rabbitmq/amqp';
import type { BrokerConnection } from '../../../lib/rabbitmq/broker-connection';
import type { Outgoing } from '../../../lib/rabbitmq/confirmed-channel';
import { Publisher } from '../../../lib/rabbitmq/publisher';

const never = new AbortController().signal;

/** A broker that refuses a message the first time it comes. A real one cannot be made to refuse one in the middle. */
class FakeBroker {
  readonly received: string[] = [];
  private readonly refused = new Set<string>();

  constructor(private readonly refuses: readonly string[]) {}

  get connection(): BrokerConnection {
    const createConfirmChannel = async (): Promise<AmqpConfirmChannel> => this.channel();
    return {
      ready: async () => ({ createConfirmChannel }),
      report: () => undefined,
    } as unknown as BrokerConnection;
  }

  private channel(): AmqpConfirmChannel {
    return {
      on: () => undefined,
      close: async () => undefined,
      publish: (
        _exchange: string,
        key: string,
        _content: Buffer,
        _options: unknown,
        onConfirm: (error: unknown) => void,
      ) => {
        this.received.push(key);
        const refuse = this.refuses.includes(key) && !this.refused.has(key);
        this.refused.add(key);
        setImmediate(() => onConfirm(refuse ? new Error('nack') : undefined));
        return true;
      },
    } as unknown as AmqpConfirmChannel;
  }
}

function messageOf(key: string): Outgoing {
  return {
    route: { exchange: '', key },
    content: Buffer.from(key),
    options: { messageId: key } as Outgoing['options'],
  };
}

it('sends again all that follows a message which was not confirmed, in order', async () => {
  const broker = new FakeBroker(['2', '3']);
  const publisher = new Publisher(broker.connection, { declare: async () => undefined });
  await publisher.publishAll(['1', '2', '3', '4'].map(messageOf), never);
  // 4 was confirmed the first time; without the repetition it would stand before 2.
  expect(broker.received).toEqual(['1', '2', '3', '4', '2', '3', '4']);
});
