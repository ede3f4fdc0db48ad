import { setMaxListeners } from 'node:events';
import type { ModuleRef } from '@nestjs/core';
import type { CacheflowError, ChangeEvent, HandlerOptions, RetryOptions } from '../../lib';
import type { RowChange } from '../../lib/change/stream';
import { toChangeEvent } from '../../lib/change/to-change-event';
import { resolveConfig } from '../../lib/config/cacheflow.config';
import type { GroupMembers } from '../../lib/distribution/group-members';
import { OnlyMember } from '../../lib/distribution/group-members';
import { HandlerDistribution } from '../../lib/distribution/handler-distribution';
import { ErrorReporter } from '../../lib/errors/error-reporter';
import { EventHub } from '../../lib/events/event-hub';
import { TablePattern } from '../../lib/keys/table-pattern';
import { RedisConnection } from '../../lib/redis/redis-connection';
import { RedisHold } from '../../lib/redis/redis-hold';
import { RetryService } from '../../lib/retry/retry.service';

export interface MemberOptions {
  readonly url: string;
  readonly redisPort: number;
  /** Tells several groups on one broker apart. */
  readonly name: string;
  readonly handlers?: HandlerOptions;
  readonly retry?: Omit<RetryOptions, 'mq'>;
  readonly members?: GroupMembers;
  readonly term?: () => number;
  /** False: it only publishes. @defaultValue true */
  readonly consume?: boolean;
  /** Its handlers, and those that want what it publishes. @defaultValue `['Test.handle']` */
  readonly names?: readonly string[];
  handle(event: ChangeEvent, name: string): unknown;
}

/** A process of a group, as far as its handlers go: it publishes what it is given, and consumes. It tails nothing. */
export interface Member {
  readonly distribution: HandlerDistribution;
  readonly events: EventHub;
  readonly retry: RetryService;
  readonly errors: CacheflowError[];
  readonly warnings: string[];
  /** Resolves when the broker has the changes; true unless a shutdown was quicker. */
  publish(...changes: RowChange[]): Promise<boolean>;
  stop(): Promise<void>;
}

/** Starts one; rejects with its faults when there are any. */
export async function startMember(options: MemberOptions): Promise<Member> {
  const { url, redisPort, name, members = new OnlyMember(), term = () => 0 } = options;
  const { names = ['Test.handle'] } = options;
  const config = resolveConfig({
    mysql: { user: 'nobody' },
    redis: { port: redisPort },
    tables: [{ db: 'shop', table: '*' }],
    handlers: { distribute: true, partitions: 4, maxAttempts: 1, ...options.handlers },
    retry: { ...options.retry, mq: { url, queue: name, exchange: name } },
  });
  const reporter = new ErrorReporter(name);
  const [errors, warnings]: [CacheflowError[], string[]] = [[], []];
  reporter.errors$.subscribe((error) => errors.push(error));
  reporter.warn = (text) => void warnings.push(text);
  const redis = new RedisConnection(config, undefined as unknown as ModuleRef, reporter);
  redis.resolve();
  const hold = new RedisHold(redis, reporter);
  const events = new EventHub(config, reporter);
  const retry = new RetryService(name, config, redis, hold, reporter);
  const distribution = new HandlerDistribution(name, config, redis, hold, events, reporter);
  const cutOff = new AbortController();
  // As the engine's own.
  setMaxListeners(0, cutOff.signal);
  events.register(
    names.map((each) => ({
      name: each,
      patterns: [new TablePattern('*')],
      actions: undefined,
      everywhere: false,
      handle: (event) => options.handle(event, each),
    })),
    {
      signal: cutOff.signal,
      giveUp: (handler, event, failure) => retry.parkHandler(handler, event, failure, cutOff.signal),
      isOurs: () => true,
      distributor: distribution,
    },
  );
  const stop = async (): Promise<void> => {
    await distribution.stop(cutOff.signal);
    await events.idle();
    await retry.stop();
    cutOff.abort(new Error('stopped'));
    redis.close();
  };
  const faults = [...config.faults, ...(await retry.check()), ...(await distribution.check())];
  if (faults.length > 0) {
    await stop();
    throw new Error(faults.map(({ subject, problem, fix }) => `${subject}: ${problem} | ${fix}`).join('\n'));
  }
  retry.start(async ({ work }) =>
    work.kind === 'handler'
      ? events.retryHandler(work.handler, work.event)
      : { done: false, reason: 'no strategy here' },
  );
  if (options.consume ?? true) distribution.start(members, term);
  const publish = async (...changes: RowChange[]): Promise<boolean> => {
    const outcomes = [];
    for (const change of changes)
      outcomes.push(await distribution.publish(change, toChangeEvent(change), term(), names));
    return (await Promise.all(outcomes.map(({ settled }) => settled))).every(Boolean);
  };
  return { distribution, events, retry, errors, warnings, publish, stop };
}

/** An update of a row: `total` is what changes. */
export function changeOf(id: number, total: number, more: Partial<RowChange> = {}): RowChange {
  return {
    kind: 'row',
    action: 'update',
    table: { schema: 'shop', table: 'orders', columns: ['id', 'total'], primaryKey: ['id'] },
    projected: false,
    before: { id, total: total - 1 },
    after: { id, total },
    beforeComplete: true,
    afterComplete: true,
    position: { file: 'binlog.000001', offset: 1_000 + total, row: id },
    gtid: undefined,
    timestamp: 1_700_000_000_000,
    ...more,
  };
}

/** The members of a group in one process, which a test changes as it likes. */
export class TestGroup {
  private ids: string[] = [];
  private readonly listeners = new Set<() => void>();

  set(...ids: string[]): void {
    this.ids = [...ids].sort();
    for (const listener of this.listeners) listener();
  }

  member(own: string): GroupMembers {
    return {
      own,
      list: () => this.ids,
      onChange: (listener) => {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
      },
    };
  }
}
