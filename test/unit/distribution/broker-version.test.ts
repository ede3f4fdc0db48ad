import { describe, expect, it } from 'vitest';
import { brokerVersionFault } from '../../../lib/distribution/broker-version';
import type { AmqpSession } from '../../../lib/rabbitmq/amqp';

const sessionOf = (product: unknown, version: unknown): AmqpSession =>
  ({ connection: { serverProperties: { product, version } } }) as unknown as AmqpSession;

describe('a broker', () => {
  it.each(['3.8.0', '3.10.8', '4.0.1', '10.1'])('is fit as RabbitMQ %s', (version) => {
    expect(brokerVersionFault(sessionOf('RabbitMQ', version))).toBeUndefined();
  });

  it.each([
    ['RabbitMQ', '3.7.28'],
    ['RabbitMQ', '2.9'],
    ['LavinMQ', '2.1.0'],
    ['RabbitMQ', undefined],
  ])('is refused as %s %s', (product, version) => {
    expect(brokerVersionFault(sessionOf(product, version))).toMatchObject({
      subject: 'handlers.distribute',
      problem: expect.stringContaining(`the broker is ${product} ${version ?? ''}`) as string,
      fix: 'Use RabbitMQ 3.8 or later, or leave `distribute` out',
    });
  });
});
