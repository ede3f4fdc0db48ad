import { nameOf } from '../change/table-name';
import type { HandlerOutcome } from '../checkpoint/handler-outcome';
import type { ErrorReporter } from '../errors/error-reporter';
import { RedisUnavailableError } from '../errors/redis.errors';
import { RetryUnavailableError } from '../errors/retry.errors';
import type { EventHub } from '../events/event-hub';
import { rowIdentities } from '../events/row-identities';
import type { AmqpMessage } from '../rabbitmq/amqp';
import type { RedisConnection } from '../redis/redis-connection';
import type { RedisHold } from '../redis/redis-hold';
import { isRefusal } from '../redis/redis-writer';
import { replyCode } from '../redis/reply-code';
import { untilAborted } from '../support/abort';
import { deliveriesOf, fromIncoming, handlersOf } from './change-messages';
import type { Receive } from './subscription';
import { TermFence } from './term-fence';
import type { ChangeMessage } from './wire/change-message';

/** A message that was handed out so often, and never done, is likely to end the process that gets it. */
const MOST_DELIVERIES = 50;
/** Every process of the group has had a turn by then, or there are many. */
const MOST_REFUSALS = 20;

/** Every process that was handed the change has ended, or lost the broker, before its handlers were done. */
class DeliveredTooOftenError extends Error {
  override readonly name = 'DeliveredTooOftenError';
}

/** No process that was handed the change has the handler. */
class NoSuchHandlerError extends Error {
  override readonly name = 'NoSuchHandlerError';
}

/** The change is for handlers that this process does not have, as in a deployment that adds some. */
export class NotOursError extends Error {
  override readonly name = 'NotOursError';
}

export interface IncomingContext {
  readonly name: string;
  readonly events: EventHub;
  readonly redis: RedisConnection;
  readonly hold: RedisHold;
  readonly errors: ErrorReporter;
  /** Puts a message that nobody here can read among the dead letters. */
  setAside(message: AmqpMessage, signal: AbortSignal): Promise<void>;
}

/** What becomes of the messages that come out of the partitions. */
export class IncomingChanges {
  /** Changes that were dropped, because the leader that published them had a successor. */
  fenced = 0;

  constructor(private readonly context: IncomingContext) {}

  /** How the messages of one partition are dealt with. */
  of(queue: string): { readonly receive: Receive; onSubscribe(): void } {
    const fence = new TermFence(this.context, queue);
    /** Changes of this subscription that are not done yet. */
    let inHand = new Set<Promise<boolean>>();
    return {
      receive: async (message, signal) => {
        const outcome = await this.receive(message, queue, { fence, inHand }, signal);
        const { settled } = outcome;
        const own = inHand;
        own.add(settled);
        // One that was not done stays: it comes back, and nothing of a later term may be admitted before it.
        void settled.then((isDone) => isDone && own.delete(settled)).catch(() => undefined);
        return outcome;
      },
      onSubscribe: () => {
        fence.forget();
        inHand = new Set();
      },
    };
  }

  private async receive(
    message: AmqpMessage,
    queue: string,
    { fence, inHand }: { readonly fence: TermFence; readonly inHand: ReadonlySet<Promise<boolean>> },
    signal: AbortSignal,
  ): Promise<HandlerOutcome> {
    const change = this.read(message);
    if (!change) return { settled: this.setAside(message, queue, signal) };
    // What is in hand is of an earlier term: it would be refused if it came back after this one was admitted.
    if (fence.wouldRaise(change.term)) await untilDone(inHand, signal);
    if (!(await this.admit(fence, change, signal))) {
      this.fenced++;
      this.context.errors.warn(
        `A change of ${nameOf(change.event)} was dropped: it comes from a process that no longer led (term ${change.term}), ` +
          'and its successor has published it as well',
      );
      return { settled: Promise.resolve(true) };
    }
    const { events } = this.context;
    const { event, primaryKey } = change;
    const attempts = deliveriesOf(message);
    if (attempts > MOST_DELIVERIES) {
      return { settled: events.abandon(event, { attempts, cause: new DeliveredTooOftenError() }) };
    }
    const lacking = events.lacking(handlersOf(message));
    if (lacking.length > 0 && attempts <= MOST_REFUSALS) {
      const names = lacking.join(', ');
      throw new NotOursError(
        `A change of ${nameOf(event)} is for ${names}, which this process does not have`,
      );
    }
    const { schema, table } = event;
    const calls = events.handle(event, rowIdentities({ schema, table, primaryKey }, event), signal);
    if (lacking.length === 0) return { settled: calls };
    const failure = { attempts, cause: new NoSuchHandlerError() };
    const given = events.giveUpOn(lacking, event, failure);
    return { settled: Promise.all([calls, given]).then((results) => results.every(Boolean)) };
  }

  private read(message: AmqpMessage): ChangeMessage | undefined {
    try {
      const change = fromIncoming(message);
      return change.source === this.context.name ? change : undefined;
    } catch {
      return undefined;
    }
  }

  private async admit(fence: TermFence, { term }: ChangeMessage, signal: AbortSignal): Promise<boolean> {
    try {
      return await fence.admits(term, signal);
    } catch (cause) {
      if (!isRefusal(cause)) throw cause;
      throw new RedisUnavailableError(
        `Redis refuses to keep the term of a partition (${replyCode(cause.message)}); allow the user the commands and ` +
          'keys that the documentation lists',
        { cause },
      );
    }
  }

  private async setAside(message: AmqpMessage, queue: string, signal: AbortSignal): Promise<boolean> {
    await this.context.setAside(message, signal);
    this.context.errors.report(
      new RetryUnavailableError(
        `A message in the queue "${queue}" is no change of this source; it was moved to the dead letters. ` +
          'Give each group a name or a queue of its own, and let nobody else write into it.',
      ),
    );
    return true;
  }
}

/** Rejects with the signal's reason, also where something will not be done in this subscription. */
async function untilDone(inHand: ReadonlySet<Promise<boolean>>, signal: AbortSignal): Promise<void> {
  const results = await untilAborted(Promise.all(inHand), signal);
  if (results.every(Boolean)) return;
  // A change was cut short: the subscription is about to end.
  await untilAborted(new Promise<never>(() => undefined), signal);
}
