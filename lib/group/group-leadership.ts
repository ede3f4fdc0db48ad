import type { Lead, LeadObserver, Leadership, Term } from '../binlog/leadership';
import type { ErrorReporter } from '../errors/error-reporter';
import { GroupSplitError, LeadershipLostError } from '../errors/group.errors';
import type { RedisConnection } from '../redis/redis-connection';
import type { RedisHold } from '../redis/redis-hold';
import { claimTerm, coverTables, groupKeys, resignTerm } from '../redis/scripts/group';
import { untilAborted } from '../support/abort';
import type { GroupSnapshot } from './group-snapshot';
import type { Election, Lock } from './lock';
import type { Member } from './member';
import type { OptionPrint } from './option-print';
import { digestOf, uncoveredBy } from './option-print';

export interface LeadershipContext {
  readonly name: string;
  readonly member: Member;
  readonly election: Election;
  readonly redis: RedisConnection;
  readonly hold: RedisHold;
  readonly errors: ErrorReporter;
  readonly print: OptionPrint;
  /** Tells the group of a change of roles, and looks. */
  beat(): Promise<GroupSnapshot>;
  /**
   * Whether this process may lead at all.
   *
   * @throws CacheflowConfigurationError
   */
  mayLead(signal: AbortSignal): Promise<void>;
  onDeposed(): void;
  /** A term has begun, with the group held or not. */
  onBegun(beginning: TermBeginning): void;
}

/** What Redis said when a term began. */
export interface TermBeginning {
  readonly term: number;
  /** The term before. */
  readonly last: number;
  /** Whether the group is held. */
  readonly paused: boolean;
  /** By `performance.now()`. */
  readonly askedAt: number;
}

/** A term that this process leads in. */
export interface LeadingTerm {
  readonly number: number;
  readonly server: string;
  /** In milliseconds since 1970. */
  readonly since: number;
}

/** The lead of a group of processes: a lock that one of them has, and a term that Redis counts. */
export class GroupLeadership implements Leadership {
  private current: GroupLead | undefined;

  constructor(private readonly context: LeadershipContext) {}

  /** Undefined while another process leads, or nobody. */
  get term(): LeadingTerm | undefined {
    const { current } = this;
    return current && !current.isOver ? current.term : undefined;
  }

  /** Aborted when the lead is lost; undefined for a process that has none. */
  get ended(): AbortSignal | undefined {
    return this.term && this.current?.ended;
  }

  async acquire(signal: AbortSignal, observer: LeadObserver): Promise<Lead> {
    if (this.current && !this.current.isOver) return this.current;
    const { election, hold, beat, mayLead } = this.context;
    observer.onWaiting('Waiting for Redis, which knows the group: it has not answered');
    // The lock's name depends on the group's id, which is in its Redis.
    const snapshot = await hold.ask(signal, beat);
    await mayLead(signal);
    const lock = await election.campaign(snapshot.groupId, signal, () => observer.onStandby());
    if (signal.aborted) {
      await lock.release(signal.reason as Error);
      signal.throwIfAborted();
    }
    this.current = new GroupLead(this.context, lock);
    return this.current;
  }

  /** Steps down for a later term: another process has another lock, because Redis had lost the id of the group. */
  heedTerm(number: number): void {
    const { term } = this;
    if (term && number > term.number)
      this.current?.depose(new LeadershipLostError('Another process leads the group by now'));
  }

  /** Gives the lead back, if it is ours. Never rejects. */
  async resign(reason: Error): Promise<void> {
    await this.current?.resign(reason);
  }
}

class GroupLead implements Lead {
  private latest: LeadingTerm | undefined;

  constructor(
    private readonly context: LeadershipContext,
    private readonly lock: Lock,
  ) {
    const onEnded = (): void => {
      context.onDeposed();
      // The others have to know.
      void context.beat().catch(() => undefined);
    };
    lock.ended.addEventListener('abort', onEnded, { once: true });
  }

  get ended(): AbortSignal {
    return this.lock.ended;
  }

  get isOver(): boolean {
    return this.lock.isOver;
  }

  get term(): LeadingTerm | undefined {
    return this.latest;
  }

  async begin(server: string, above: number, signal: AbortSignal): Promise<Term> {
    const { lock, latest } = this;
    if (lock.server !== undefined && lock.server !== server) {
      const reason = new Error('the address leads to another server now than to that of the lock');
      await lock.release(reason);
      throw reason;
    }
    if (latest?.server === server) return { number: latest.number, isNew: false, uncovered: [] };
    const { redis, hold, name, member, print, onBegun, beat, errors } = this.context;
    const by = { own: member.id, server, digest: digestOf(print), print: JSON.stringify(print) };
    let askedAt = 0;
    const claim = await hold.ask(signal, async () => {
      const { groupId } = await beat();
      askedAt = performance.now();
      return claimTerm(redis.client, groupKeys(redis.client, name), { ...by, groupId, above });
    });
    lock.ended.throwIfAborted();
    if (claim.kind === 'apart') {
      const error = new GroupSplitError(
        claim.server === undefined
          ? `Another process (${claim.leader}) leads the group "${name}" by another \`election\`; this one waits until ` +
              'it is gone. Give all processes of the group the same `election`'
          : `Another process (${claim.leader}) leads the group "${name}" on another server (${claim.server}, here it ` +
              `is ${server}); this one waits. After a failover it goes on by itself. If these are two groups, give ` +
              'each a `name` of its own',
      );
      await lock.release(error);
      throw error;
    }
    this.latest = { number: claim.term, server, since: Date.now() };
    onBegun({ ...claim, askedAt });
    errors.info(`This process leads the group "${name}" now (term ${claim.term})`);
    void beat().catch(() => undefined);
    return { number: claim.term, isNew: true, uncovered: uncoveredBy(print, claim.covered) };
  }

  async covered(): Promise<void> {
    const { redis, name, print } = this.context;
    const { latest, ended } = this;
    if (!latest) return;
    const keys = groupKeys(redis.client, name);
    try {
      // Again on each connection: a Redis that has gone back has lost it.
      await untilAborted(coverTables(redis.client, keys, latest.number, JSON.stringify(print)), ended);
    } catch {
      // The next leader removes them again, which is always right.
    }
  }

  depose(reason: Error): void {
    void this.lock.release(reason);
  }

  async resign(reason: Error): Promise<void> {
    const { redis, name, member } = this.context;
    const { latest } = this;
    if (latest && !this.isOver && redis.client.status === 'ready') {
      const resigned = resignTerm(redis.client, groupKeys(redis.client, name), member.id, latest.number);
      await untilAborted(resigned, this.ended).catch(() => undefined);
    }
    await this.lock.release(reason);
  }
}
