import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import type { AmqpConfirmChannel } from '../../../lib/rabbitmq/amqp';
import { ConfirmedChannel } from '../../../lib/rabbitmq/confirmed-channel';
import type { Outgoing } from '../../../lib/rabbitmq/confirmed-channel';

type RealChannel = AmqpConfirmChannel & { emit(event: string, payload?: object): boolean };

/** amqplib's own channel on a connection that sends nothing. */
function channelOfAmqplib(): RealChannel {
  const { ConfirmChannel } = createRequire(__filename)('amqplib/lib/channel_model') as {
    ConfirmChannel: new (connection: object) => RealChannel;
  };
  return new ConfirmChannel({ sendMessage: () => true });
}

function message(id: number): Outgoing {
  return {
    route: { exchange: '', key: 'queue' },
    content: Buffer.from('x'),
    options: {
      persistent: true,
      mandatory: true,
      messageId: String(id),
      contentType: 'application/json',
      timestamp: 0,
      headers: {},
    },
  };
}

it('rejects all that is unanswered when the channel breaks, also behind what was confirmed in between', async () => {
  const channel = channelOfAmqplib();
  const confirmed = new ConfirmedChannel(channel);
  const sent = [1, 2, 3, 4].map((id) => confirmed.publish(message(id)));
  // Of another queue than the first one.
  channel.emit('ack', { deliveryTag: 2, multiple: false });
  channel.emit('close');
  const results = await Promise.allSettled(sent);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'rejected']);
});
