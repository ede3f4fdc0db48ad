import type { HandlerOutcome } from '../checkpoint/handler-outcome';
import type { Outgoing } from '../rabbitmq/confirmed-channel';
import type { Publisher } from '../rabbitmq/publisher';
import { MessageTooLargeError } from '../rabbitmq/publisher';

/** Size of the messages that wait. One that is larger waits alone. */
const MOST_BYTES = 16 * 1024 * 1024;
const BATCH = 500;
/** A broker that takes messages and confirms none is worth a report. */
const SLOW_MILLIS = 10_000;

interface Waiting {
  readonly message: Outgoing;
  /** Takes a message that the broker never will. */
  readonly divert: () => Promise<boolean>;
  readonly settle: (isSafe: boolean) => void;
}

/** What waits for the broker: bounded, and published in order, one batch after another. */
export class OutgoingChanges {
  private waiting: Waiting[] = [];
  private bytes = 0;
  private sending: Promise<void> | undefined;
  private readonly roomWaiters: (() => void)[] = [];

  constructor(
    private readonly publisher: Publisher,
    private readonly size: number,
    /** Ends the wait for the broker. */
    private readonly signal: AbortSignal,
    /** Told again and again while the broker confirms nothing. */
    private readonly onSlow: () => void,
  ) {}

  /** Messages that the broker has not confirmed. */
  get length(): number {
    return this.waiting.length;
  }

  /**
   * Waits for room. The outcome is true once the broker has the message, false where a shutdown cut it short.
   *
   * @param divert does with a message that is too large for the broker what else there is to do
   */
  async add(message: Outgoing, divert: () => Promise<boolean>): Promise<HandlerOutcome> {
    while (this.isFull && !this.signal.aborted) {
      await new Promise<void>((resolve) => this.roomWaiters.push(resolve));
    }
    const settled = new Promise<boolean>((settle) => this.waiting.push({ message, divert, settle }));
    this.bytes += message.content.length;
    this.sending ??= this.send();
    return { settled };
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    await this.sending;
  }

  private get isFull(): boolean {
    return this.waiting.length >= this.size || this.bytes >= MOST_BYTES;
  }

  private async send(): Promise<void> {
    // So that what is added in the same turn goes together.
    await Promise.resolve();
    while (this.waiting.length > 0) {
      const batch = this.waiting.slice(0, BATCH);
      const alarm = setInterval(this.onSlow, SLOW_MILLIS);
      const isSafe = await this.sendBatch(batch);
      clearInterval(alarm);
      this.waiting.splice(0, batch.length);
      for (const { message, settle } of batch) {
        this.bytes -= message.content.length;
        settle(isSafe);
      }
      for (const wake of this.roomWaiters.splice(0)) wake();
    }
    this.sending = undefined;
  }

  private async sendBatch(batch: readonly Waiting[]): Promise<boolean> {
    for (;;) {
      const [tooLarge, fit] = partition(batch, ({ message }) => this.publisher.isTooLarge(message));
      try {
        await this.publisher.publishAll(
          fit.map(({ message }) => message),
          this.signal,
        );
        const diverted = await Promise.all(tooLarge.map(({ divert }) => divert()));
        return diverted.every(Boolean);
      } catch (error) {
        // Its limit is known now.
        if (!(error instanceof MessageTooLargeError)) return false;
      }
    }
  }
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  const [those, others]: [T[], T[]] = [[], []];
  for (const item of items) (test(item) ? those : others).push(item);
  return [those, others];
}
