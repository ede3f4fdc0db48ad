import { setMaxListeners } from 'node:events';
import type { HandlerOutcome } from '../checkpoint/handler-outcome';
import type { AmqpChannel, AmqpMessage } from '../rabbitmq/amqp';
import { firstAborted, untilAborted } from '../support/abort';

/**
 * Deals with a message. Called for one after another: resolves once its place in the order is fixed. The message is
 * acknowledged if the outcome is true. Rejects only when the signal is aborted; no work begins after that.
 */
export type Receive = (message: AmqpMessage, signal: AbortSignal) => Promise<HandlerOutcome>;

/**
 * Messages in hand at once. The same in every process and release: what a dead process had in hand then fits into the
 * hands of the next one as a whole. RabbitMQ puts what is given back behind other messages that were given back, so
 * that a smaller hand could change the order when that process dies as well.
 */
const PREFETCH = 32;

/**
 * One consumer on a channel of its own. It ends by closing the channel, and not by a cancel: after a cancel the broker
 * at once serves the next process, while we still work on earlier messages of the same rows.
 */
export class Subscription {
  /** Aborted when no further work may begin. */
  private readonly over = new AbortController();
  private readonly closed = new AbortController();
  private readonly inHand = new Set<Promise<void>>();
  private admission: Promise<HandlerOutcome | undefined> = Promise.resolve(undefined);
  private failure: unknown;

  constructor(
    private readonly channel: AmqpChannel,
    private readonly receive: Receive,
    private readonly onMessage: () => void,
  ) {
    // Each message in hand listens to it.
    setMaxListeners(0, this.over.signal);
    channel.on('error', (error) => (this.failure ??= error));
    channel.on('close', () => {
      if (!this.ended) this.failure ??= new Error('the channel was closed');
      this.over.abort(this.failure);
      this.closed.abort(this.failure);
    });
  }

  /** Whether a message is in hand. */
  get isBusy(): boolean {
    return this.inHand.size > 0;
  }

  private get ended(): boolean {
    return this.over.signal.aborted;
  }

  async open(queue: string): Promise<void> {
    await this.channel.prefetch(PREFETCH);
    await this.channel.consume(queue, (message) => this.take(message));
  }

  /** No further work begins. */
  end(reason: Error): void {
    this.over.abort(reason);
  }

  /**
   * Resolves once it has ended, what was in hand is done, and everything else went back to the broker. Rejects when
   * the channel broke by itself, and with the signal's reason.
   */
  async finished(cutOff: AbortSignal): Promise<void> {
    await firstAborted(this.over.signal, cutOff);
    try {
      while (this.inHand.size > 0) await untilAborted(Promise.all(this.inHand), cutOff);
    } finally {
      if (!this.closed.signal.aborted) {
        // A broker that hangs does not answer; the connection is closed later in any case.
        const closing = this.channel.close().catch(() => undefined);
        await untilAborted(Promise.race([closing, firstAborted(this.closed.signal)]), cutOff);
      }
    }
    if (this.failure !== undefined) throw this.failure;
  }

  private take(message: AmqpMessage | null): void {
    if (!message) return this.fail(new Error('the queue was deleted'));
    this.onMessage();
    // It stays unacknowledged, and goes back with the channel.
    if (this.ended) return;
    const { signal } = this.over;
    const received = this.admission.then(() => {
      signal.throwIfAborted();
      return this.receive(message, signal);
    });
    this.admission = received;
    const task = received
      .then(async ({ settled }) => {
        if ((await settled) && !this.closed.signal.aborted) this.channel.ack(message);
      })
      .catch((error: unknown) => this.fail(error))
      .finally(() => this.inHand.delete(task));
    this.inHand.add(task);
  }

  private fail(error: unknown): void {
    if (!this.ended) this.failure ??= error;
    this.over.abort(error);
  }
}
