import type { AmqpConfirmChannel, PublishOptions } from './amqp';
import type { Route } from './declarations';

/** A message on its way to the broker. */
export interface Outgoing {
  readonly route: Route;
  readonly content: Buffer;
  readonly options: PublishOptions;
}

/** Publishes so that a resolved promise means: a queue has it, on disk. */
export class ConfirmedChannel {
  private failure: unknown;
  private readonly returned = new Set<string>();
  /** Of messages that the broker has not answered. */
  private readonly waiting = new Set<(error: unknown) => void>();

  constructor(private readonly channel: AmqpConfirmChannel) {
    // Comes before 'close', and says why.
    channel.on('error', (error) => (this.failure = error));
    channel.on('return', ({ properties }) => this.returned.add(String(properties.messageId)));
    // amqplib 0.10 tells only those before the first gap, which confirms in another order leave: queues differ in speed.
    channel.on('close', () => {
      for (const reject of this.waiting) reject(this.failure ?? new Error('the channel was closed'));
      this.waiting.clear();
    });
  }

  /** Rejects when no queue took it, when the broker refused it, or when the channel broke before it answered. */
  async publish({ route, content, options }: Outgoing): Promise<void> {
    let forget = (): void => undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.waiting.add(reject);
        forget = () => void this.waiting.delete(reject);
        this.channel.publish(route.exchange, route.key, content, options, (error) => {
          // A message that no queue takes is given back, and then confirmed like any other.
          const unroutable = this.returned.delete(options.messageId);
          if (error) reject(this.failure ?? error);
          else if (unroutable) reject(new Error(`no queue takes messages with the key "${route.key}"`));
          else resolve();
        });
      });
    } finally {
      forget();
    }
  }

  async close(): Promise<void> {
    await this.channel.close();
  }
}
