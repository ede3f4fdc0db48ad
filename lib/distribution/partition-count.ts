import type { ConfigurationFault } from '../errors/configuration.error';
import type { AmqpSession } from '../rabbitmq/amqp';
import type { RedisClient } from '../redis/redis-client';
import { agreeOnPartitions } from '../redis/scripts/distribution';
import { Partitions } from './partitions';

/** What the group has agreed on. */
export interface PartitionCountContext {
  readonly name: string;
  readonly base: string;
  readonly client: RedisClient;
}

/**
 * All processes of a group need the same number of partitions. It changes only while nobody serves those of the
 * number before and nothing waits in them: else the changes of one row would be in two queues at once.
 */
export async function partitionCountFault(
  { name, base, client }: PartitionCountContext,
  wanted: number,
  session: AmqpSession,
): Promise<ConfigurationFault | undefined> {
  for (let expected = wanted; ;) {
    const current = await agreeOnPartitions(client, name, expected, wanted);
    if (current === wanted) return undefined;
    const { messages, consumers } = await inUse(session, new Partitions(base, current));
    if (messages > 0 || consumers > 0) return fault(current, messages, consumers);
    expected = current;
  }
}

function fault(current: number, messages: number, consumers: number): ConfigurationFault {
  const why =
    consumers > 0
      ? `processes that use ${current} are running`
      : `${messages} changes wait in the queues of the ${current} partitions before`;
  return {
    subject: 'handlers.partitions',
    problem: `the number cannot change now: ${why}`,
    fix:
      consumers > 0
        ? `Use ${current}, as they do. To change the number, call pause(), wait until the queues are empty, stop all processes, and start them with the new number`
        : `Start with \`partitions: ${current}\`, call pause(), wait until the queues are empty, stop all processes, and start them with the new number`,
  };
}

async function inUse(
  session: AmqpSession,
  { queues }: Partitions,
): Promise<{ messages: number; consumers: number }> {
  let [messages, consumers] = [0, 0];
  for (const queue of queues) {
    // Of its own: asking for a queue that is gone ends the channel.
    const channel = await session.createChannel();
    channel.on('error', () => undefined);
    try {
      const { messageCount, consumerCount } = await channel.checkQueue(queue);
      messages += messageCount;
      consumers += consumerCount;
      await channel.close();
    } catch (error) {
      if ((error as { code?: unknown }).code !== 404) throw error;
    }
  }
  return { messages, consumers };
}
