import type { RowChange } from '../change/stream';
import type { ChangeEvent } from '../change/change-event';
import type { ResolvedHandlerOptions } from '../config/resolve-handlers';
import type { AmqpMessage } from '../rabbitmq/amqp';
import type { Outgoing } from '../rabbitmq/confirmed-channel';
import { FORMAT, cacheflowEnvelope } from './wire/cacheflow-envelope';
import type { ChangeMessage, Envelope } from './wire/change-message';
import { changeId } from './wire/change-message';
import { debeziumEnvelope } from './wire/debezium-envelope';

const ENVELOPES: Record<ResolvedHandlerOptions['envelope'], { format: string; envelope: Envelope }> = {
  cacheflow: { format: FORMAT, envelope: cacheflowEnvelope },
  debezium: { format: 'debezium', envelope: debeziumEnvelope },
};

/** The message for a change, on its way to a queue. */
export function toOutgoing(
  change: RowChange,
  event: ChangeEvent,
  to: {
    readonly source: string;
    readonly term: number;
    readonly queue: string;
    readonly envelope: ResolvedHandlerOptions['envelope'];
    /** The names of those that want it. */
    readonly handlers: readonly string[];
  },
): Outgoing {
  const { source, term, queue, handlers } = to;
  const { format, envelope } = ENVELOPES[to.envelope];
  const id = changeId(event);
  const text = envelope.encode({ id, source, term, primaryKey: change.table.primaryKey, event });
  return {
    route: { exchange: '', key: queue },
    content: Buffer.from(text),
    options: {
      persistent: true,
      mandatory: true,
      messageId: id,
      contentType: 'application/json',
      timestamp: Math.floor(Date.now() / 1_000),
      headers: {
        format,
        source,
        term,
        action: event.action,
        table: `${event.schema}.${event.table}`,
        handlers: [...handlers],
      },
    },
  };
}

/**
 * The change in a message, in whichever format it is: those of a group may have been started with another one.
 *
 * @throws Error when it is none of ours; its message says nothing of the content
 */
export function fromIncoming(message: AmqpMessage): ChangeMessage {
  const format = message.properties.headers?.['format'];
  const found = Object.values(ENVELOPES).find((each) => each.format === format);
  if (!found) throw new Error('It has another format');
  return found.envelope.decode(message.content.toString());
}

/** The names of the handlers that the process wanted to call which has published it. */
export function handlersOf(message: AmqpMessage): readonly string[] {
  const names: unknown = message.properties.headers?.['handlers'];
  return Array.isArray(names) ? names.map(String) : [];
}

/** How often the broker has handed it out before, to processes that died of it or had no time. */
export function deliveriesOf(message: AmqpMessage): number {
  return Number(message.properties.headers?.['x-delivery-count'] ?? 0);
}
