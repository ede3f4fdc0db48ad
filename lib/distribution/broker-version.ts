import type { ConfigurationFault } from '../errors/configuration.error';
import type { AmqpSession } from '../rabbitmq/amqp';

/** The first one with both quorum queues and single active consumers. An earlier one ignores the arguments silently. */
const NEEDED = [3, 8] as const;

/** What to correct when the broker would not keep the order of the changes; undefined when it is fit. */
export function brokerVersionFault(session: AmqpSession): ConfigurationFault | undefined {
  const { product, version } = session.connection?.serverProperties ?? {};
  const [major = 0, minor = 0] = String(version ?? '')
    .split('.')
    .map(Number);
  const isOld = product === 'RabbitMQ' && (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1]));
  if (product === 'RabbitMQ' && !isOld) return undefined;
  return {
    subject: 'handlers.distribute',
    problem: `the broker is ${String(product ?? 'unknown')} ${String(version ?? '')}, and the order of the calls needs quorum queues with a single active consumer`,
    fix: `Use RabbitMQ ${NEEDED.join('.')} or later, or leave \`distribute\` out`,
  };
}
