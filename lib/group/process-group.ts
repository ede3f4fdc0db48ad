import { randomUUID } from 'node:crypto';
import type { Leadership } from '../binlog/leadership';
import type { CacheflowConfig } from '../config/cacheflow.config';
import type { GroupMembers } from '../distribution/group-members';
import type { ConfigurationFault } from '../errors/configuration.error';
import { CacheflowConfigurationError } from '../errors/configuration.error';
import type { ErrorReporter } from '../errors/error-reporter';
import { RedisUnavailableError } from '../errors/redis.errors';
import type { RedisConnection } from '../redis/redis-connection';
import type { RedisHold } from '../redis/redis-hold';
import { MEMBER_MILLIS, groupKeys, holdGroup, memberIds, redefine } from '../redis/scripts/group';
import { sleep, untilAborted, withDeadline, withSignals } from '../support/abort';
import type { Group, GroupParts } from './group';
import { GroupLeadership } from './group-leadership';
import { ErrandFailed, GroupLine } from './group-line';
import { GroupRegistry } from './group-registry';
import type { GroupSnapshot } from './group-snapshot';
import type { GroupMember, GroupStatus } from './group-status';
import type { Election } from './lock';
import type { Member } from './member';
import { thisMember } from './member';
import { printOptions } from './option-print';
import { RedisElection } from './redis-election';
import { SourceElection } from './source-election';

export interface ProcessGroupContext {
  readonly name: string;
  readonly config: CacheflowConfig;
  readonly election: 'source' | 'redis';
  readonly redis: RedisConnection;
  readonly hold: RedisHold;
  readonly errors: ErrorReporter;
  /** Whether several processes may share the store of the checkpoint. */
  readonly isFenced: boolean;
}

/** So long a member is waited for that is told something; it sees it by itself within a second. */
const PROOF_MILLIS = 300;
/** Longer than a member that has just died is waited for. */
const CHECK_MILLIS = MEMBER_MILLIS + 2_000;
const ASK_NEXT_MILLIS = 20;

/** This process among those that share one tail. */
export class ProcessGroup implements Group {
  readonly leadership: Leadership;
  private readonly member: Member = thisMember();
  private readonly lead: GroupLeadership;
  private readonly registry: GroupRegistry;
  private readonly line: GroupLine;
  private readonly ending = new AbortController();
  private parts: GroupParts | undefined;
  /** Aborted and replaced whenever this process begins or ends to lead. */
  private turn = new AbortController();
  private leaving: Promise<void> | undefined;
  /** The latest one that this process has led in; 0 without. */
  private lastTerm = 0;
  private paused = false;
  /** Calls of `setPaused` that Redis has not taken yet, and when it took the last one. */
  private telling = 0;
  private toldAt = 0;
  private definitions = 0;
  /** Since when this process has stood by. */
  private standbySince = Date.now();

  readonly members: GroupMembers = {
    own: this.member.id,
    list: () => {
      const ids = this.registry.snapshot?.members.map(({ id }) => id) ?? [];
      return ids.length > 0 ? ids : [this.member.id];
    },
    onChange: (listener) => {
      let before = this.members.list().join();
      return this.registry.onLook(() => {
        const now = this.members.list().join();
        if (now === before) return;
        before = now;
        listener();
      });
    },
  };

  constructor(private readonly context: ProcessGroupContext) {
    const { name, config, election: kind, redis, hold, errors } = context;
    const { member } = this;
    const print = printOptions(config, kind);
    const { takeoverSeconds, mysql } = config;
    const election: Election =
      kind === 'source'
        ? new SourceElection({ name, mysql, takeoverSeconds })
        : new RedisElection({ name, own: member.id, redis, takeoverSeconds });
    this.registry = new GroupRegistry({
      name,
      member,
      redis,
      errors,
      print,
      lead: () => this.publication(),
      isPaused: () => this.paused,
      definitions: () => this.definitions,
      newGroupId: randomUUID,
    });
    this.registry.onLook((snapshot) => this.heed(snapshot));
    this.lead = new GroupLeadership({
      name,
      member,
      election,
      redis,
      hold,
      errors,
      print,
      beat: () => this.registry.beat(),
      onDeposed: () => {
        this.standbySince = Date.now();
        this.takeTurn();
      },
      mayLead: (signal) => this.assertFenced(signal),
      onBegun: ({ term, last, paused, askedAt }) => {
        // Another process has led since this one did.
        if (this.lastTerm > 0 && this.lastTerm !== last) this.parts?.handOver();
        this.lastTerm = term;
        this.heedPaused(paused, askedAt);
        this.takeTurn();
      },
    });
    this.leadership = this.lead;
    this.line = new GroupLine({
      own: member.id,
      redis,
      groupId: async () => (this.registry.snapshot ?? (await this.registry.beat())).groupId,
      serve: async (errand, signal) => {
        if (errand === 'look') await this.registry.beat();
        else if (errand === 'forget') await this.parts?.forgetDefinitions();
        else await this.ownCaughtUp(signal);
      },
    });
  }

  async check(signal: AbortSignal): Promise<readonly ConfigurationFault[]> {
    if (this.context.isFenced) return [];
    try {
      await withDeadline(CHECK_MILLIS, signal, (deadline) => this.assertFenced(deadline));
    } catch (error) {
      if (error instanceof CacheflowConfigurationError) return error.faults;
      // Redis is away: it is looked for again before this process leads.
    }
    return [];
  }

  start(parts: GroupParts): void {
    this.parts = parts;
    this.registry.start();
  }

  get status(): GroupStatus {
    const { member, paused } = this;
    const { term } = this.lead;
    const { snapshot } = this.registry;
    const role = term ? 'leader' : 'standby';
    const age = snapshot ? performance.now() - snapshot.takenAt : 0;
    const report = term ? undefined : snapshot?.report;
    return {
      self: member.id,
      role,
      leader: term ? member.id : snapshot?.members.find(({ id }) => id === snapshot.leader)?.id,
      members: (snapshot?.members ?? []).map(({ id, host, pid, role: its, since }) => ({
        id,
        host,
        pid,
        role: its,
        since,
      })),
      since: term?.since ?? this.standbySince,
      term: term?.number ?? snapshot?.term ?? 0,
      paused,
      report: report && { ...report, ageMillis: Math.round(report.ageMillis + age) },
    };
  }

  get term(): number {
    return this.lead.term?.number ?? 0;
  }

  get isLeading(): boolean {
    return this.lead.term !== undefined;
  }

  /** Holds the group, or lets it go on; the leader hears of it at once, and each one after it. */
  async setPaused(paused: boolean): Promise<void> {
    const { name, redis } = this.context;
    this.usePaused(paused);
    this.telling++;
    try {
      await holdGroup(redis.client, groupKeys(redis.client, name), paused);
      this.toldAt = performance.now();
    } finally {
      this.telling--;
    }
    await this.registry.beat();
    // Where it does not answer, it sees it by itself within a second.
    if (!this.isLeading && this.leader !== undefined)
      await this.tell(this.leader, 'look', this.ending.signal);
  }

  /**
   * Resolves once the leader has applied everything that was committed before the call, whoever that is. Rejects with
   * the signal's reason.
   */
  async caughtUp(millis: number, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + millis;
    for (;;) {
      const { turn } = this;
      try {
        if (this.isLeading) await this.ownCaughtUp(signal);
        else await withSignals([signal, turn.signal], (either) => this.askCaughtUp(deadline, either));
        return;
      } catch (error) {
        signal.throwIfAborted();
        // The one that was asked leads no longer, or this one does by now: whoever leads is asked.
        if (!(error instanceof ErrandFailed || turn !== this.turn || !this.isLeading)) throw error;
      }
      await sleep(ASK_NEXT_MILLIS, signal);
      await untilAborted(this.registry.beat(), signal);
    }
  }

  /**
   * Tables look another way: resolves once no living member makes keys of the old form any more. They are told directly,
   * because a Redis without memory takes no writes, and the keys have to go all the same.
   */
  async announceRedefinition(signal: AbortSignal): Promise<void> {
    const { name, redis, hold } = this.context;
    const keys = groupKeys(redis.client, name);
    const seen = await this.unlessRefused(signal, () => this.registry.beat());
    // Without memory, nobody can say that it lives: any of those that were there may.
    const ids = seen ? this.members.list() : await hold.ask(signal, () => memberIds(redis.client, keys));
    const others = ids.filter((id) => id !== this.member.id);
    if (others.length === 0) return;
    // For those who do not hear it now.
    this.definitions =
      (await this.unlessRefused(signal, () => redefine(redis.client, keys))) ?? this.definitions;
    const isGone = (id: string): boolean => seen !== undefined && !this.members.list().includes(id);
    await Promise.all(others.map((id) => this.untilForgotten(id, () => isGone(id), signal)));
  }

  /** Resolves when the member has forgotten the definitions of tables, or no longer lives. */
  private async untilForgotten(member: string, isGone: () => boolean, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + MEMBER_MILLIS;
    while (performance.now() < deadline && !isGone()) if (await this.tell(member, 'forget', signal)) return;
  }

  /** Undefined where Redis refuses it, as one without memory does. Waits while Redis is away. */
  private async unlessRefused<T>(signal: AbortSignal, question: () => Promise<T>): Promise<T | undefined> {
    try {
      return await this.context.hold.ask(signal, question);
    } catch (error) {
      if (!(error instanceof RedisUnavailableError)) throw error;
      return undefined;
    }
  }

  /** Lets another process lead, and says goodbye. Never rejects. */
  async leave(reason: Error): Promise<void> {
    this.leaving ??= this.sayGoodbye(reason);
    await this.leaving;
  }

  private async sayGoodbye(reason: Error): Promise<void> {
    await this.lead.resign(reason);
    this.ending.abort(reason);
    await this.line.close();
    await this.registry.stop();
  }

  private get leader(): string | undefined {
    const leader = this.registry.snapshot?.leader;
    return leader === this.member.id ? undefined : leader;
  }

  private async askCaughtUp(deadline: number, signal: AbortSignal): Promise<void> {
    const millis = Math.max(1, Math.ceil(deadline - performance.now()));
    await this.line.ask(() => this.leader, 'caught-up', { millis, signal });
  }

  /** Rejects where this process does not lead, or no longer. */
  private async ownCaughtUp(signal: AbortSignal): Promise<void> {
    const { lead, parts } = this;
    const { ended } = lead;
    if (!parts || !ended) throw new Error('this process does not lead the group');
    await withSignals([signal, ended], (either) => parts.caughtUp(either));
  }

  /** Whether the member has done it; it may not answer in time. */
  private async tell(member: string, errand: 'look' | 'forget', signal: AbortSignal): Promise<boolean> {
    try {
      await withDeadline(PROOF_MILLIS, signal, (deadline) =>
        this.line.ask(() => member, errand, { millis: PROOF_MILLIS, signal: deadline }),
      );
      return true;
    } catch {
      signal.throwIfAborted();
      return false;
    }
  }

  private heed(snapshot: GroupSnapshot): void {
    this.heedPaused(snapshot.paused, snapshot.takenAt);
    // Alone, nobody asks. It is tried again at the next look.
    if (snapshot.members.length > 1) void this.line.open().catch(() => undefined);
    if (snapshot.definitions <= this.definitions) return;
    const { definitions } = snapshot;
    void this.parts?.forgetDefinitions().then(() => {
      this.definitions = Math.max(this.definitions, definitions);
      return this.registry.beat().then(
        () => undefined,
        () => undefined,
      );
    });
  }

  private takeTurn(): void {
    const before = this.turn;
    this.turn = new AbortController();
    before.abort(new Error('The group has another leader'));
  }

  /** What was asked of Redis before it was told otherwise says nothing any more. */
  private heedPaused(paused: boolean, askedAt: number): void {
    if (this.telling === 0 && askedAt >= this.toldAt) this.usePaused(paused);
  }

  private usePaused(paused: boolean): void {
    if (paused === this.paused) return;
    this.paused = paused;
    if (paused) this.parts?.pause();
    else this.parts?.resume();
  }

  /** What the leader publishes. */
  private publication(): { term: number; server: string; state: string } | undefined {
    const { term } = this.lead;
    if (!term || !this.parts) return undefined;
    return { term: term.number, server: term.server, state: JSON.stringify(this.parts.report()) };
  }

  /**
   * A store that does not fence may serve one process only. One that has just died is waited for.
   *
   * @throws CacheflowConfigurationError
   */
  private async assertFenced(signal: AbortSignal): Promise<void> {
    const { isFenced, name, hold } = this.context;
    if (isFenced) return;
    const { id: own } = this.member;
    await hold.ask(signal, () => this.registry.beat());
    // Of two that start at the same time, one was there first.
    const before = new Map(this.registry.first?.members.map(({ id, atMillis }) => [id, atMillis]));
    for (;;) {
      const { members } = await hold.ask(signal, () => this.registry.beat());
      const left = members.filter(({ id }) => id !== own && before.has(id));
      if (left.length === 0) return;
      const alive = left.find(({ id, atMillis }) => atMillis > (before.get(id) ?? atMillis));
      if (alive) throw new CacheflowConfigurationError(name, [unfencedFault(alive)]);
      await sleep(PROOF_MILLIS, signal);
    }
  }
}

function unfencedFault({ pid, host }: GroupMember): ConfigurationFault {
  return {
    subject: 'checkpoint',
    problem:
      `another process (pid ${pid} on ${host}) runs with the same \`name\`, and the store of the checkpoint does not ` +
      'keep a leader that was deposed from saving over its successor',
    fix:
      "Use checkpoint: 'redis', or a CheckpointStore with `isFenced`; or give each process a `name` of its own; or set " +
      "election: 'none', and run one process only",
  };
}
