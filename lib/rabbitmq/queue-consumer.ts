import { setMaxListeners } from 'node:events';
import { firstAborted, untilAborted } from '../support/abort';
import type { AmqpChannel, AmqpMessage } from './amqp';
import type { BrokerConnection } from './broker-connection';
import type { ConsumerSignals } from './consumer-loop';
import { ConsumerLoop } from './consumer-loop';
import type { Declarations } from './declarations';

/** Messages in hand at once: what waits for a Redis that is away. */
const PREFETCH = 16;
/**
 * A consumer that gets nothing for so long is made anew. When a queue is deleted and made again at once, RabbitMQ 3.10
 * moves its consumers over without a word, and then drops what the new queue hands to them: they wait for ever, and
 * their messages with them.
 */
const RENEWAL_MILLIS = 10_000;

/** Deals with a message, and answers it on its channel. Rejects only when the signal is aborted. */
export type MessageHandler = (
  message: AmqpMessage,
  channel: AmqpChannel,
  signal: AbortSignal,
) => Promise<void>;

/** Takes messages off a queue, over channels that are made anew when they break. */
export class QueueConsumer {
  private readonly loop: ConsumerLoop;

  constructor(
    connection: BrokerConnection,
    private readonly queue: string,
    private readonly declarations: Declarations,
    private readonly handle: MessageHandler,
  ) {
    this.loop = new ConsumerLoop({
      connection,
      failure: 'does not hand out messages',
      round: async (signals, onServing) => {
        const session = await connection.ready(signals.stopping);
        const channel = await untilAborted(session.createChannel(), signals.stopping);
        await this.consume(channel, signals, onServing);
      },
    });
  }

  start(): void {
    this.loop.start();
  }

  /** See {@link ConsumerLoop.stop}. */
  async stop(reason: Error, cutOff: AbortSignal): Promise<void> {
    await this.loop.stop(reason, cutOff);
  }

  /** Until the channel breaks, the consumer is idle or it is stopped. Afterwards nothing of it is in hand any more. */
  private async consume(
    channel: AmqpChannel,
    { stopping, cutOff }: ConsumerSignals,
    onServing: () => void,
  ): Promise<void> {
    const broken = new AbortController();
    // Each message in hand listens to it.
    setMaxListeners(0, broken.signal);
    let failure: unknown = new Error('the channel was closed');
    channel.on('error', (error) => (failure = error));
    channel.on('close', () => broken.abort(failure));
    const inHand = new Set<Promise<void>>();
    const idle = new AbortController();
    const renewal = setInterval(() => inHand.size === 0 && idle.abort(), RENEWAL_MILLIS);
    const end = (): void => broken.abort(cutOff.reason);
    const take = (message: AmqpMessage | null): void => {
      // The queue was deleted; it is declared again with the next channel.
      if (!message) return broken.abort(new Error('the queue was deleted'));
      renewal.refresh();
      const task = this.handle(message, channel, broken.signal)
        // Not answered, so that it is delivered again.
        .catch((error: unknown) => broken.abort(error))
        .finally(() => inHand.delete(task));
      inHand.add(task);
    };
    cutOff.addEventListener('abort', end, { once: true });
    if (cutOff.aborted) end();
    try {
      // A broker that hangs answers none of it, and must not hold up the stop.
      const consumerTag = await untilAborted(this.subscribe(channel, take), cutOff);
      onServing();
      await firstAborted(stopping, broken.signal, idle.signal);
      await untilAborted(channel.cancel(consumerTag), broken.signal);
      await untilAborted(settled(inHand), broken.signal);
      // Its end, too, is told by 'close'.
      await Promise.race([channel.close(), firstAborted(broken.signal)]);
    } catch (error) {
      broken.abort(error);
      if (!stopping.aborted) throw error;
    } finally {
      clearInterval(renewal);
      cutOff.removeEventListener('abort', end);
      await settled(inHand);
    }
  }

  private async subscribe(
    channel: AmqpChannel,
    take: (message: AmqpMessage | null) => void,
  ): Promise<string> {
    await this.declarations.declare(channel);
    await channel.prefetch(PREFETCH);
    const { consumerTag } = await channel.consume(this.queue, take);
    return consumerTag;
  }
}

/** Also those that came in meanwhile. */
async function settled(tasks: ReadonlySet<Promise<void>>): Promise<void> {
  while (tasks.size > 0) await Promise.all(tasks);
}
