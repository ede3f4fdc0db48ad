import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { Leadership } from '../binlog/leadership';
import type { CacheflowConfig } from '../config/cacheflow.config';
import type { GroupMembers } from '../distribution/group-members';
import type { ConfigurationFault } from '../errors/configuration.error';
import { CacheflowConfigurationError } from '../errors/configuration.error';
import type { ErrorReporter } from '../errors/error-reporter';
import type { BinlogHandler } from '../events/on-binlog.explorer';
import type { RedisConnection } from '../redis/redis-connection';
import type { RedisHold } from '../redis/redis-hold';
import { MEMBER_MILLIS } from '../redis/scripts/group';
import { sleep, untilAborted, withDeadline, withSignals } from '../support/abort';
import { assertAlone } from './assert-alone';
import type { Group, GroupParts } from './group';
import { GroupLeadership } from './group-leadership';
import { ErrandFailed, GroupLine } from './group-line';
import { GroupPause } from './group-pause';
import { GroupRegistry } from './group-registry';
import type { GroupSnapshot } from './group-snapshot';
import type { GroupStatus } from './group-status';
import type { Election } from './lock';
import type { Member } from './member';
import { thisMember } from './member';
import { printOptions } from './option-print';
import { Redefinitions } from './redefinitions';
import { RedisElection } from './redis-election';
import { SourceElection } from './source-election';

export interface ProcessGroupContext {
  readonly name: string;
  readonly config: CacheflowConfig;
  readonly election: 'source' | 'redis';
  readonly redis: RedisConnection;
  readonly hold: RedisHold;
  readonly errors: ErrorReporter;
  readonly handlers: readonly BinlogHandler[];
  /** Whether several processes may share the store of the checkpoint. */
  readonly isFenced: boolean;
}

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
  private readonly redefinitions: Redefinitions;
  private readonly pause: GroupPause;
  private readonly ending = new AbortController();
  private parts: GroupParts | undefined;
  /** Aborted and replaced whenever this process begins or ends to lead. */
  private turn = newTurn();
  private leaving: Promise<void> | undefined;
  /** The latest one that this process has led in; 0 without. */
  private lastTerm = 0;
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
    const print = printOptions(config, kind, context.handlers);
    const { takeoverSeconds, mysql } = config;
    const election: Election =
      kind === 'source'
        ? new SourceElection({ name, mysql, takeoverSeconds })
        : new RedisElection({ name, own: member.id, redis, takeoverSeconds });
    this.pause = new GroupPause({
      name,
      redis,
      onChange: (paused) => (paused ? this.parts?.pause() : this.parts?.resume()),
    });
    this.registry = new GroupRegistry({
      name,
      member,
      redis,
      errors,
      print,
      lead: () => this.publication(),
      isPaused: () => this.pause.isOn,
      definitions: () => this.redefinitions.count,
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
        this.pause.heed(paused, askedAt);
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
    const { registry, line } = this;
    const forget = async (): Promise<void> => this.parts?.forgetDefinitions();
    this.redefinitions = new Redefinitions({ name, own: member.id, redis, hold, registry, line, forget });
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
    const { member } = this;
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
      paused: this.pause.isOn,
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
    await this.pause.set(paused);
    await this.registry.beat();
    // Where it does not answer, it sees it by itself within a second.
    if (!this.isLeading && this.leader !== undefined)
      await this.line.tell(this.leader, 'look', this.ending.signal);
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
      // A Redis that refuses it leaves what was seen last.
      await untilAborted(this.registry.beat(), signal).catch(() => signal.throwIfAborted());
    }
  }

  /** See {@link Redefinitions.announce}. */
  async announceRedefinition(signal: AbortSignal): Promise<void> {
    await this.redefinitions.announce(signal);
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

  private heed(snapshot: GroupSnapshot): void {
    this.pause.heed(snapshot.paused, snapshot.takenAt);
    if (snapshot.leader !== this.member.id) this.lead.heedTerm(snapshot.term);
    // Alone, nobody asks. It is tried again at the next look.
    if (snapshot.members.length > 1) void this.line.open().catch(() => undefined);
    this.redefinitions.heed(snapshot.definitions);
  }

  private takeTurn(): void {
    const before = this.turn;
    this.turn = newTurn();
    before.abort(new Error('The group has another leader'));
  }

  /** What the leader publishes. */
  private publication(): { term: number; server: string; state: string } | undefined {
    const { term } = this.lead;
    if (!term || !this.parts) return undefined;
    return { term: term.number, server: term.server, state: JSON.stringify(this.parts.report()) };
  }

  private async assertFenced(signal: AbortSignal): Promise<void> {
    const { isFenced, name, hold } = this.context;
    if (!isFenced) await assertAlone(name, this.member.id, { registry: this.registry, hold }, signal);
  }
}

/** Each question to the leader adds a listener. */
function newTurn(): AbortController {
  const turn = new AbortController();
  setMaxListeners(0, turn.signal);
  return turn;
}
