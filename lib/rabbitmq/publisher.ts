import { messageOf } from '../errors/cacheflow.error';
import { untilAborted } from '../support/abort';
import { Backoff } from '../support/backoff';
import type { BrokerConnection } from './broker-connection';
import { ConfirmedChannel } from './confirmed-channel';
import type { Outgoing } from './confirmed-channel';
import type { Declarations } from './declarations';

/** The broker takes no message of this size, however often it is sent. */
export class MessageTooLargeError extends Error {}

/** Publishes again and again until the broker has confirmed it. */
export class Publisher {
  private channel: Promise<ConfirmedChannel> | undefined;
  private readonly closing = new AbortController();
  private maxBytes = Infinity;

  constructor(
    private readonly connection: BrokerConnection,
    private readonly declarations: Declarations,
  ) {}

  /**
   * Resolves when a queue has the message on disk. It may be there more than once then.
   *
   * @throws MessageTooLargeError; else it rejects only with the signal's reason, or after a shutdown
   */
  async publish(message: Outgoing, signal: AbortSignal): Promise<void> {
    await this.publishAll([message], signal);
  }

  /**
   * As `publish`, for many at once. Those of one queue stand there in their order: after a failure everything is sent
   * again from the first one that was not confirmed.
   */
  async publishAll(messages: readonly Outgoing[], signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ minMillis: 50, maxMillis: 5_000 });
    for (let rest = messages; ;) {
      signal.throwIfAborted();
      if (rest.some((each) => this.isTooLarge(each)))
        throw new MessageTooLargeError('The message is too large');
      const opening = (this.channel ??= this.open());
      try {
        const channel = await untilAborted(opening, signal);
        const sent = rest.map((each) => channel.publish(each));
        const results = await untilAborted(Promise.allSettled(sent), signal);
        const failed = results.findIndex(({ status }) => status === 'rejected');
        if (failed < 0) return;
        rest = rest.slice(failed);
        throw (results[failed] as PromiseRejectedResult).reason;
      } catch (cause) {
        signal.throwIfAborted();
        this.closing.signal.throwIfAborted();
        // What was lost with the channel, a binding perhaps, is made anew together with the next one.
        this.drop(opening);
        const limit = /larger than configured max size (\d+)/.exec(messageOf(cause))?.[1];
        if (limit !== undefined) this.maxBytes = Number(limit);
        else this.connection.report('does not take a message', cause);
      }
      await backoff.wait(signal);
    }
  }

  /** Whether the broker is known to refuse a message because of its size. */
  isTooLarge({ content }: Outgoing): boolean {
    return content.length > this.maxBytes;
  }

  /** Nothing is published any more. The channel goes with the connection. */
  close(reason: Error): void {
    this.closing.abort(reason);
  }

  private async open(): Promise<ConfirmedChannel> {
    const session = await this.connection.ready(this.closing.signal);
    const channel = await session.createConfirmChannel();
    const confirmed = new ConfirmedChannel(channel);
    await this.declarations.declare(channel);
    return confirmed;
  }

  /** Once only, however many messages were on their way. */
  private drop(channel: Promise<ConfirmedChannel>): void {
    if (this.channel !== channel) return;
    this.channel = undefined;
    // What is still unconfirmed on it is sent again, and it has most often gone already.
    void channel.then((each) => each.close()).catch(() => undefined);
  }
}
