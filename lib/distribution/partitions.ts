import { createHash } from 'node:crypto';
import type { AmqpChannel } from '../rabbitmq/amqp';
import type { Declarations } from '../rabbitmq/declarations';
import { declared, quorum } from '../rabbitmq/declarations';

/** Far more deliveries than can occur: the consumer itself decides what becomes of a message that is never done. */
const DELIVERIES = 1_000_000_000;

/**
 * The queues that carry the changes: all changes of one row are in one of them, and only one process at a time gets
 * messages of it.
 */
export class Partitions implements Declarations {
  readonly queues: readonly string[];

  constructor(
    base: string,
    readonly count: number,
    /** Rejects when the group uses another number of partitions. */
    private readonly agree: () => Promise<void> = async () => undefined,
  ) {
    this.queues = Array.from({ length: count }, (_, index) => `${base}.handlers.${count}.${index}`);
  }

  /** The number of the partition of a row, always the same for the same identity. */
  of(row: string): number {
    return createHash('sha256').update(row).digest().readUInt32BE() % this.count;
  }

  queue(partition: number): string {
    return this.queues[partition] ?? '';
  }

  /** @throws DeclareError when one is there in another form or may not be made */
  async declare(channel: AmqpChannel): Promise<void> {
    await this.agree();
    for (const queue of this.queues) await declareOne(channel, queue);
  }

  /** Declares a single one. */
  only(partition: number): Declarations {
    return {
      declare: async (channel) => {
        await this.agree();
        await declareOne(channel, this.queue(partition));
      },
    };
  }
}

async function declareOne(channel: AmqpChannel, queue: string): Promise<void> {
  const options = quorum({
    'x-single-active-consumer': true,
    'x-delivery-limit': DELIVERIES,
    // A policy with a length limit must hold the publisher, and not drop what waits longest.
    'x-overflow': 'reject-publish',
  });
  await declared(`queue "${queue}"`, () => channel.assertQueue(queue, options));
}
