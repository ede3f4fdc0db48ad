import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CACHEFLOW_NAME } from '../support/injection-tokens';
import { RedisRewoundError } from '../errors/redis.errors';
import { mastersOf } from './masters';
import { counterKey } from './own-keys';
import type { RedisClient } from './redis-client';
import { isCluster } from './redis-client';
import { RedisConnection } from './redis-connection';
import { isRefusal } from './redis-writer';
import type { RoundCounter } from './scripts/round-count';
import { COUNTER_SECONDS } from './scripts/round-count';
import { historyOf, runIdOf } from './server-history';

/**
 * Notices when Redis has gone back in time: a restart from an older snapshot, or a failover to a replica that lacks
 * the last writes. Each round of writes counts up in Redis after everything else; a count that is not above the last
 * one acknowledged tells that writes were lost which Redis had confirmed. In a cluster, which has no single count,
 * the histories of the masters tell.
 */
@Injectable()
export class RewindGuard {
  /** Names the counter: another one after each `begin`, so that an older Redis cannot have it. */
  private instance = randomUUID();
  private acknowledged = -1;
  /** The round that had it. */
  private acknowledgedRound = 0;
  /** The last round that was sent. */
  private sent = 0;
  /** Rounds that are under way. Those that were sent before `begin` tell nothing any more, and are not among them. */
  private readonly rounds = new Set<Round>();
  /** Set while Redis does not count (it is out of memory): the server that has to be the same afterwards. */
  private uncounted: string | undefined;
  private known: ReadonlySet<string> = new Set();
  /** Redis has gone back and nobody has seen to it yet: nothing may be saved. */
  private rewound = false;
  private listener: ((error: RedisRewoundError) => void) | undefined;

  constructor(
    @Inject(CACHEFLOW_NAME) private readonly name: string,
    @Inject(RedisConnection) private readonly redis: RedisConnection,
  ) {}

  /** Called once for each time that Redis has gone back. */
  onRewound(listener: (error: RedisRewoundError) => void): void {
    this.listener = listener;
  }

  /** The key to count in; undefined in a cluster. */
  get counter(): string | undefined {
    const { client } = this.redis;
    return isCluster(client) ? undefined : this.keyOf(client);
  }

  /** The histories of a cluster's masters that were last taken for the truth; undefined without a cluster. */
  get masters(): readonly string[] | undefined {
    return isCluster(this.redis.client) ? [...this.known].sort() : undefined;
  }

  /** The last count that Redis acknowledged; -1 before the first one. */
  get count(): number {
    return this.acknowledged;
  }

  /** The run id of the server that took writes without counting them; '' while all are counted. */
  get uncountedOn(): string {
    return this.uncounted ?? '';
  }

  /** How many rounds were sent after the one of the last count, which Redis counts before what is sent now. */
  get underWay(): number {
    let rounds = 0;
    for (const { number } of this.rounds) if (number > this.acknowledgedRound) rounds++;
    return rounds;
  }

  /** Takes Redis as it is now for the truth. Rejects when Redis is out of reach. */
  async begin(): Promise<void> {
    const { client } = this.redis;
    // Together with the new name of the counter: counts under the old name say nothing about this one.
    this.acknowledged = -1;
    this.acknowledgedRound = this.sent;
    this.rounds.clear();
    if (isCluster(client)) {
      this.known = await historiesOf(client);
    } else {
      this.instance = randomUUID();
      const key = this.keyOf(client);
      this.uncounted = undefined;
      try {
        this.acknowledged = await client.incr(key);
      } catch (cause) {
        if (!isRefusal(cause)) throw cause;
        this.acknowledged = -1;
        this.uncounted = await runIdOf(client);
      }
      if (this.acknowledged > 0) await client.expire(key, COUNTER_SECONDS);
    }
    this.rewound = false;
  }

  /** Takes the counter away: nothing will be written any more. It goes by itself where Redis is out of reach. */
  async end(): Promise<void> {
    const { counter } = this;
    const { client } = this.redis;
    if (counter === undefined || client.status !== 'ready') return;
    await client.unlink(counter).catch(() => undefined);
  }

  /**
   * Sends a round of writes that counts where it is told to, if anywhere. Rounds may overlap, as long as all of them
   * take the same connection.
   *
   * @throws RedisRewoundError when writes before it were lost
   */
  async watch<T extends { readonly counted: number | Error | undefined }>(
    send: (counter: RoundCounter | undefined) => Promise<T>,
  ): Promise<T> {
    const round: Round = { number: ++this.sent, acknowledged: this.acknowledged, counts: new Set() };
    this.rounds.add(round);
    try {
      const key = this.counter;
      const outcome = await send(key === undefined ? undefined : { key, least: round.acknowledged });
      await this.acknowledge(outcome.counted, round);
      return outcome;
    } finally {
      this.rounds.delete(round);
    }
  }

  private async acknowledge(counted: number | Error | undefined, round: Round): Promise<void> {
    if (!this.rounds.has(round)) return;
    if (this.rewound) throw this.error();
    if (counted === undefined) return;
    if (counted instanceof Error) {
      this.uncounted ??= await runIdOf(this.redis.client);
      return;
    }
    // A count that another round had is given again to one that Redis took once more after it had gone back.
    if (counted <= round.acknowledged || round.counts.has(counted)) this.fail();
    for (const { counts } of this.rounds) counts.add(counted);
    if (counted > this.acknowledged) {
      this.acknowledged = counted;
      this.acknowledgedRound = round.number;
    }
    if (this.uncounted === undefined) return;
    const before = this.uncounted;
    this.uncounted = undefined;
    if (before !== (await runIdOf(this.redis.client))) this.fail();
  }

  /**
   * Looks, while nothing is written.
   *
   * @throws RedisRewoundError
   */
  async check(): Promise<void> {
    if (this.rewound) throw this.error();
    const { client } = this.redis;
    if (isCluster(client)) {
      const now = await historiesOf(client);
      if ([...now].some((history) => !this.known.has(history))) this.fail();
      this.known = now;
      return;
    }
    const { uncounted } = this;
    if (uncounted !== undefined && uncounted !== (await runIdOf(client)) && uncounted === this.uncounted)
      this.fail();
    const expected = this.acknowledged;
    if (expected < 0) return;
    const key = this.keyOf(client);
    const stored = await client.get(key);
    if (Number(stored ?? -1) < expected) this.fail();
    await client.expire(key, COUNTER_SECONDS);
  }

  /**
   * For what was begun with a counter and goes on.
   *
   * @throws RedisRewoundError when Redis has gone back meanwhile
   */
  assertSince(counter: string): void {
    if (this.rewound || counter !== this.counter) throw this.error();
  }

  /** Reports that Redis has gone back, as somebody else has found. */
  fail(): never {
    const error = this.error();
    if (!this.rewound) {
      this.rewound = true;
      this.listener?.(error);
    }
    throw error;
  }

  private keyOf(client: RedisClient): string {
    return counterKey(this.name, this.instance, client.options.keyPrefix ?? '');
  }

  private error(): RedisRewoundError {
    return new RedisRewoundError(
      'Redis has lost writes that it had confirmed (it came back from an older snapshot, was emptied, or failed over ' +
        'to a replica that lagged); what was lost is applied again',
    );
  }
}

/** A round that is under way. */
interface Round {
  /** In the order of sending. */
  readonly number: number;
  /** The last count that was acknowledged when it was sent. */
  readonly acknowledged: number;
  /** Those that were acknowledged since. */
  readonly counts: Set<number>;
}

/** The histories of all masters. */
async function historiesOf(client: RedisClient): Promise<Set<string>> {
  return new Set(await Promise.all((await mastersOf(client)).map(historyOf)));
}
