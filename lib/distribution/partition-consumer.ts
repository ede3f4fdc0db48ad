import type { AmqpChannel } from '../rabbitmq/amqp';
import type { BrokerConnection } from '../rabbitmq/broker-connection';
import type { ConsumerSignals } from '../rabbitmq/consumer-loop';
import { ConsumerLoop } from '../rabbitmq/consumer-loop';
import type { Declarations } from '../rabbitmq/declarations';
import { sleep, untilAborted } from '../support/abort';
import { NotOursError } from './incoming-changes';
import type { Receive } from './subscription';
import { Subscription } from './subscription';

/** A standby comes so much later than the owner, so that it stands behind it in the broker's line. */
const STANDBY_MILLIS = 1_000;
/**
 * A standby that gets messages makes room for the owner. If it soon gets them again, the owner is not there, and it
 * serves for so long before it makes room once more.
 */
const PATIENCE_MILLIS = 30_000;
/** An owner that gets nothing for so long, although messages wait, subscribes anew; see QueueConsumer. */
const IDLE_MILLIS = 10_000;

export interface PartitionConsumerContext {
  readonly connection: BrokerConnection;
  readonly queue: string;
  readonly declarations: Declarations;
  readonly receive: Receive;
  /** Called before each subscription. */
  onSubscribe(): void;
}

/**
 * Serves one partition as its owner or as a standby. The broker hands messages to one consumer at a time, the one that
 * came first. Who comes first decides the balance only: the order of the changes does not depend on it.
 */
export class PartitionConsumer {
  private readonly loop: ConsumerLoop;
  private subscription: Subscription | undefined;
  private owner: string | undefined;
  private isOwner = false;
  /** Ends the wait of a standby. */
  private turn = new AbortController();
  private madeRoomAt = -Infinity;
  /** Another process has the handlers that this one lacks: it comes behind all others, once. */
  private passes = false;

  constructor(private readonly context: PartitionConsumerContext) {
    this.loop = new ConsumerLoop({
      connection: context.connection,
      failure: 'does not hand out changes',
      round: async (signals, onServing) => {
        await this.awaitTurn(signals.stopping);
        await this.serve(signals, onServing);
      },
    });
  }

  /** Told at the start, and whenever the owner may be another one. */
  assign(owner: string | undefined, isOwner: boolean): void {
    if (owner !== this.owner) this.madeRoomAt = -Infinity;
    this.owner = owner;
    this.isOwner = isOwner;
    if (isOwner) this.turn.abort();
  }

  start(): void {
    this.loop.start();
  }

  /** See {@link ConsumerLoop.stop}. */
  async stop(reason: Error, cutOff: AbortSignal): Promise<void> {
    const stopped = this.loop.stop(reason, cutOff);
    this.turn.abort();
    this.subscription?.end(reason);
    await stopped;
  }

  /** The owner comes at once. A standby comes later, or when it becomes the owner meanwhile. */
  private async awaitTurn(stopping: AbortSignal): Promise<void> {
    if ((this.isOwner && !this.passes) || stopping.aborted) return;
    this.passes = false;
    this.turn = new AbortController();
    await sleep(STANDBY_MILLIS, this.turn.signal).catch(() => undefined);
  }

  /** Until the channel breaks, we make room for the owner, or the stop. */
  private async serve({ stopping, cutOff }: ConsumerSignals, onServing: () => void): Promise<void> {
    const session = await this.context.connection.ready(stopping);
    const channel = await untilAborted(session.createChannel(), stopping);
    const receive: Receive = async (message, its) => {
      try {
        return await this.context.receive(message, its);
      } catch (error) {
        if (!(error instanceof NotOursError)) throw error;
        this.passes = true;
        subscription.end(error);
        // It goes back to the broker.
        return { settled: Promise.resolve(false) };
      }
    };
    const subscription: Subscription = new Subscription(channel, receive, () => {
      idle.refresh();
      this.makeRoom(subscription);
    });
    const idle = setInterval(() => void this.checkIdle(subscription, channel), IDLE_MILLIS);
    this.subscription = subscription;
    try {
      await untilAborted(this.subscribe(subscription, channel), cutOff);
      onServing();
      // The stop may have come meanwhile.
      if (stopping.aborted) subscription.end(stopping.reason as Error);
      await subscription.finished(cutOff);
    } finally {
      clearInterval(idle);
      this.subscription = undefined;
    }
  }

  private async subscribe(subscription: Subscription, channel: AmqpChannel): Promise<void> {
    const { declarations, queue, onSubscribe } = this.context;
    await declarations.declare(channel);
    onSubscribe();
    await subscription.open(queue);
  }

  private makeRoom(subscription: Subscription): void {
    if (this.isOwner || Date.now() - this.madeRoomAt < PATIENCE_MILLIS) return;
    this.madeRoomAt = Date.now();
    subscription.end(new Error('the partition belongs to another process'));
  }

  private async checkIdle(subscription: Subscription, channel: AmqpChannel): Promise<void> {
    if (!this.isOwner || subscription.isBusy) return;
    // What goes wrong is told by the channel.
    const { messageCount } = await channel.checkQueue(this.context.queue).catch(() => ({ messageCount: 0 }));
    if (messageCount > 0 && !subscription.isBusy)
      subscription.end(new Error('messages wait, and none comes'));
  }
}
