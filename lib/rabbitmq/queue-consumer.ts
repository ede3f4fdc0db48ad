import { setMaxListeners } from 'node:events';
import { Backoff } from '../support/backoff';
import { firstAborted, untilAborted } from '../support/abort';
import type { AmqpChannel, AmqpMessage } from './amqp';
import type { BrokerConnection } from './broker-connection';
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
  private readonly stopping = new AbortController();
  private readonly cutOff = new AbortController();
  private running: Promise<void> | undefined;

  constructor(
    private readonly connection: BrokerConnection,
    private readonly queue: string,
    private readonly declarations: Declarations,
    private readonly handle: MessageHandler,
  ) {}

  start(): void {
    this.running ??= this.run();
  }

  /** Takes no more, and waits for what is in hand; `cutOff` leaves that to whoever gets it next. */
  async stop(reason: Error, cutOff: AbortSignal): Promise<void> {
    this.stopping.abort(reason);
    const onCutOff = (): void => this.cutOff.abort(reason);
    if (cutOff.aborted) onCutOff();
    cutOff.addEventListener('abort', onCutOff, { once: true });
    await this.running;
    cutOff.removeEventListener('abort', onCutOff);
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    const backoff = new Backoff({ minMillis: 50, maxMillis: 5_000 });
    while (!signal.aborted) {
      try {
        const session = await this.connection.ready(signal);
        const channel = await untilAborted(session.createChannel(), signal);
        backoff.reset();
        await this.consume(channel);
      } catch (cause) {
        if (signal.aborted) return;
        this.connection.report('does not hand out messages', cause);
      }
      // Rejects only at the stop, which ends the loop.
      await backoff.wait(signal).catch(() => undefined);
    }
  }

  /** Until the channel breaks, the consumer is idle or it is stopped. Afterwards nothing of it is in hand any more. */
  private async consume(channel: AmqpChannel): Promise<void> {
    const broken = new AbortController();
    // Each message in hand listens to it.
    setMaxListeners(0, broken.signal);
    let failure: unknown = new Error('the channel was closed');
    channel.on('error', (error) => (failure = error));
    channel.on('close', () => broken.abort(failure));
    const inHand = new Set<Promise<void>>();
    const idle = new AbortController();
    const renewal = setInterval(() => inHand.size === 0 && idle.abort(), RENEWAL_MILLIS);
    const end = (): void => broken.abort(this.cutOff.signal.reason);
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
    this.cutOff.signal.addEventListener('abort', end, { once: true });
    if (this.cutOff.signal.aborted) end();
    try {
      // A broker that hangs answers none of it, and must not hold up the stop.
      const consumerTag = await untilAborted(this.subscribe(channel, take), this.cutOff.signal);
      await firstAborted(this.stopping.signal, broken.signal, idle.signal);
      await untilAborted(channel.cancel(consumerTag), broken.signal);
      await untilAborted(settled(inHand), broken.signal);
      // Its end, too, is told by 'close'.
      await Promise.race([channel.close(), firstAborted(broken.signal)]);
    } catch (error) {
      broken.abort(error);
      if (!this.stopping.signal.aborted) throw error;
    } finally {
      clearInterval(renewal);
      this.cutOff.signal.removeEventListener('abort', end);
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
