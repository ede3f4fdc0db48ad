import { setMaxListeners } from 'node:events';
import { Inject, Injectable } from '@nestjs/common';
import type { ChangeEvent } from '../change/change-event';
import type { RowChange } from '../change/stream';
import { nameOf } from '../change/table-name';
import type { HandlerOutcome } from '../checkpoint/handler-outcome';
import type { CacheflowConfig } from '../config/cacheflow.config';
import type { ConfigurationFault } from '../errors/configuration.error';
import { ErrorReporter } from '../errors/error-reporter';
import { CacheflowStoppedError } from '../errors/source.errors';
import type { ChangeDistributor } from '../events/event-hub';
import { EventHub } from '../events/event-hub';
import { rowIdentities } from '../events/row-identities';
import type { NestRabbitmq } from '../rabbitmq/amqp';
import { BrokerConnection } from '../rabbitmq/broker-connection';
import { checkBroker, declareOn } from '../rabbitmq/check-broker';
import { Publisher } from '../rabbitmq/publisher';
import { RedisConnection } from '../redis/redis-connection';
import { RedisHold } from '../redis/redis-hold';
import { agreeOnPartitions } from '../redis/scripts/distribution';
import { rawMessage } from '../retry/broker/messages';
import { Topology } from '../retry/broker/topology';
import { CACHEFLOW_CONFIG, CACHEFLOW_NAME } from '../support/injection-tokens';
import { assign } from './assignment';
import { brokerVersionFault } from './broker-version';
import { toOutgoing } from './change-messages';
import type { DistributionStatus } from './distribution-status';
import type { GroupMembers } from './group-members';
import { OnlyMember } from './group-members';
import { IncomingChanges } from './incoming-changes';
import { OutgoingChanges } from './outgoing-changes';
import { PartitionConsumer } from './partition-consumer';
import { partitionCountFault } from './partition-count';
import { Partitions } from './partitions';

/** What exists once the broker was asked for. */
interface Parts {
  readonly connection: BrokerConnection;
  readonly publisher: Publisher;
  readonly outgoing: OutgoingChanges;
  readonly incoming: IncomingChanges;
  readonly consumers: readonly PartitionConsumer[];
  /** For messages that nobody can read. */
  readonly deadLetters: Publisher;
}

/**
 * Spreads the calls of `@OnBinlog` handlers over all processes of the group: the one that tails publishes the changes
 * to the partitions, and all consume them.
 */
@Injectable()
export class HandlerDistribution implements ChangeDistributor {
  private readonly partitions: Partitions;
  private readonly closing = new AbortController();
  private parts: Parts | undefined;
  private owned: readonly number[] = [];
  private unsubscribe: () => void = () => undefined;
  private termNow: () => number = () => 0;
  private members: GroupMembers = new OnlyMember();

  constructor(
    @Inject(CACHEFLOW_NAME) private readonly name: string,
    @Inject(CACHEFLOW_CONFIG) private readonly config: CacheflowConfig,
    @Inject(RedisConnection) private readonly redis: RedisConnection,
    @Inject(RedisHold) private readonly hold: RedisHold,
    @Inject(EventHub) private readonly events: EventHub,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
  ) {
    setMaxListeners(0, this.closing.signal);
    this.partitions = new Partitions(this.base, config.handlers.partitions, () => this.agree());
  }

  /** Undefined unless the calls are distributed. */
  get status(): DistributionStatus | undefined {
    if (!this.isOn) return undefined;
    const { outgoing, incoming } = this.parts ?? {};
    return {
      partitions: this.owned,
      publishing: outgoing?.length ?? 0,
      fenced: incoming?.fenced ?? 0,
    };
  }

  get isOn(): boolean {
    return this.config.handlers.distribute && this.config.retry.mq !== undefined;
  }

  /** Connects and declares, and says what is wrong. A broker or a Redis that is away is waited for later. */
  async check(): Promise<readonly ConfigurationFault[]> {
    const { mq } = this.config.retry;
    const nestRabbitmq = loadNestRabbitmq();
    // The retries tell that it is missing.
    if (!this.isOn || !mq || !nestRabbitmq) return [];
    const { errors, partitions } = this;
    const connection = new BrokerConnection(nestRabbitmq, { urls: mq.urls, tls: mq.tls }, errors);
    this.parts = this.build(connection, mq);
    return checkBroker(connection, mq.urls, errors, async (session) => {
      const version = brokerVersionFault(session);
      if (version) return [version];
      const { name, base } = this;
      const context = { name, base, client: this.redis.client };
      const count = await partitionCountFault(context, partitions.count, session);
      if (count) return [count];
      await declareOn(session, partitions);
      return [];
    });
  }

  /** Begins to consume. `term` is the fencing token of this process while it leads. */
  start(members: GroupMembers, term: () => number): void {
    this.members = members;
    this.termNow = term;
    this.reassign();
    this.unsubscribe = this.members.onChange(() => this.reassign());
    for (const consumer of this.parts?.consumers ?? []) consumer.start();
  }

  get term(): number {
    return this.termNow();
  }

  async publish(
    change: RowChange,
    event: ChangeEvent,
    term: number,
    handlers: readonly string[],
  ): Promise<HandlerOutcome> {
    const { parts } = this;
    if (!parts) throw new CacheflowStoppedError(`Cacheflow "${this.name}" was not started`);
    const rows = rowIdentities(change.table, change);
    const queue = this.partitions.queue(this.partitions.of(rows[0] ?? ''));
    const { envelope } = this.config.handlers;
    const message = toOutgoing(change, event, { source: this.name, term, queue, envelope, handlers });
    return parts.outgoing.add(message, async () => {
      this.errors.warn(
        `A change of ${nameOf(event)} is larger than what RabbitMQ takes as one message (max_message_size): its ` +
          "handlers are called by this process, outside of their row's order",
      );
      return this.events.handle(event, rows, this.closing.signal);
    });
  }

  /** Publishes what waits, finishes the calls in hand until it is cut off, and closes what is open. */
  async stop(cutOff: AbortSignal): Promise<void> {
    const { parts } = this;
    if (!parts) return;
    const reason = new CacheflowStoppedError('The distribution of handler calls was stopped');
    const end = (): void => this.closing.abort(reason);
    cutOff.addEventListener('abort', end, { once: true });
    if (cutOff.aborted) end();
    this.unsubscribe();
    const { outgoing, consumers, publisher, deadLetters, connection } = parts;
    await Promise.all([outgoing.idle(), ...consumers.map((each) => each.stop(reason, cutOff))]);
    publisher.close(reason);
    deadLetters.close(reason);
    await connection.close();
    cutOff.removeEventListener('abort', end);
    end();
  }

  /** Two services whose sources have one name may use one broker with a `queue` of their own for each. */
  private get base(): string {
    return this.config.retry.mq?.queue ?? `cacheflow.${this.name}`;
  }

  private build(connection: BrokerConnection, mq: NonNullable<CacheflowConfig['retry']['mq']>): Parts {
    const { partitions, config, closing, name, events, redis, hold, errors } = this;
    const topology = new Topology(name, mq, []);
    const deadLetters = new Publisher(connection, topology);
    const incoming = new IncomingChanges({
      name,
      events,
      redis,
      hold,
      errors,
      setAside: (message, signal) =>
        deadLetters.publish(rawMessage(message, topology.dead, 'no change of this source'), signal),
    });
    const consumers = partitions.queues.map((queue, index) => {
      const declarations = partitions.only(index);
      return new PartitionConsumer({ connection, queue, declarations, ...incoming.of(queue) });
    });
    const publisher = new Publisher(connection, partitions);
    const outgoing = new OutgoingChanges(publisher, config.handlers.queueSize, closing.signal, () =>
      connection.report('has not confirmed changes for handlers', new Error('no answer from a queue')),
    );
    return { connection, publisher, outgoing, incoming, consumers, deadLetters };
  }

  /** Also after the start: the broker may have been away then, or another process was quicker. */
  private async agree(): Promise<void> {
    const { count } = this.partitions;
    const current = await agreeOnPartitions(this.redis.client, this.name, count, count);
    if (current === count) return;
    throw new Error(
      `this process has \`handlers.partitions: ${count}\`, and others of the group use ${current}: restart it with ${current}`,
    );
  }

  private reassign(): void {
    const owners = assign(this.partitions.count, this.members.list());
    this.owned = owners.flatMap((owner, index) => (owner === this.members.own ? [index] : []));
    this.parts?.consumers.forEach((consumer, index) =>
      consumer.assign(owners[index], owners[index] === this.members.own),
    );
  }
}

function loadNestRabbitmq(): NestRabbitmq | undefined {
  try {
    return require('@golevelup/nestjs-rabbitmq') as NestRabbitmq;
  } catch {
    return undefined;
  }
}
