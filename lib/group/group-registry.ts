import { GroupMismatchError } from '../errors/group.errors';
import type { ErrorReporter } from '../errors/error-reporter';
import type { RedisConnection } from '../redis/redis-connection';
import type { Beat } from '../redis/scripts/group';
import { beatGroup, groupKeys, leaderPrint, leaveGroup } from '../redis/scripts/group';
import { sleep, untilAborted } from '../support/abort';
import type { GroupSnapshot } from './group-snapshot';
import { toSnapshot } from './group-snapshot';
import type { Member } from './member';
import type { OptionPrint } from './option-print';
import { differences, digestOf } from './option-print';

/** How often each process tells that it lives, and looks who else does. */
const BEAT_MILLIS = 1_000;
/** How long a process that ends takes to say goodbye. */
const LEAVE_MILLIS = 500;

export interface RegistryContext {
  readonly name: string;
  readonly member: Member;
  readonly redis: RedisConnection;
  readonly errors: ErrorReporter;
  readonly print: OptionPrint;
  /** Of the term that this process leads in; undefined on a standby. */
  lead(): { readonly term: number; readonly server: string; readonly state: string } | undefined;
  /** Whether this process holds itself, for a Redis that has forgotten it. */
  isPaused(): boolean;
  /** The number of the latest redefinition that this process has heard of. */
  definitions(): number;
  newGroupId(): string;
}

/** Tells the group that this process lives, once a second, and knows what the others tell. */
export class GroupRegistry {
  private latest: GroupSnapshot | undefined;
  /** Who was there before this process. */
  first: GroupSnapshot | undefined;
  private beating: Promise<GroupSnapshot> | undefined;
  private running: Promise<void> | undefined;
  private readonly ending = new AbortController();
  private readonly listeners = new Set<(snapshot: GroupSnapshot) => void>();
  private groupId: string;
  private comparedWith: string | undefined;

  constructor(private readonly context: RegistryContext) {
    this.groupId = context.newGroupId();
  }

  /** Undefined until Redis has answered for the first time. */
  get snapshot(): GroupSnapshot | undefined {
    return this.latest;
  }

  /** Told after each look, until the function that it returns is called. */
  onLook(listener: (snapshot: GroupSnapshot) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  start(): void {
    this.running = this.run();
  }

  /** Says goodbye, so that nobody waits for this process. */
  async stop(): Promise<void> {
    const { member, name, redis } = this.context;
    this.ending.abort(new Error('The process leaves its group'));
    await this.running;
    if (!redis.isResolved || redis.client.status !== 'ready') return;
    const leaving = leaveGroup(redis.client, groupKeys(redis.client, name), member.id);
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error('Redis takes too long')), LEAVE_MILLIS);
    await untilAborted(leaving, late.signal).catch(() => undefined);
    clearTimeout(timer);
  }

  /** Tells and looks now. Rejects when Redis refuses it; waits while Redis is away. */
  async beat(): Promise<GroupSnapshot> {
    this.beating ??= this.beatOnce().finally(() => {
      this.beating = undefined;
    });
    return this.beating;
  }

  private async run(): Promise<void> {
    const { signal } = this.ending;
    while (!signal.aborted) {
      // Whoever needs Redis reports that it is away.
      await untilAborted(this.beat(), signal).catch(() => undefined);
      await sleep(BEAT_MILLIS, signal).catch(() => undefined);
    }
  }

  private async beatOnce(): Promise<GroupSnapshot> {
    const { name, redis } = this.context;
    const takenAt = performance.now();
    const record = await beatGroup(redis.client, groupKeys(redis.client, name), this.toBeat());
    const snapshot = toSnapshot(record, takenAt);
    this.first ??= snapshot;
    this.latest = snapshot;
    // The id that stands in Redis is the group's, unless Redis has lost it: then ours is put back.
    this.groupId = snapshot.groupId;
    void this.compare(snapshot);
    for (const listener of this.listeners) listener(snapshot);
    return snapshot;
  }

  private toBeat(): Beat {
    const { member, print, lead, isPaused, definitions } = this.context;
    const { id, ...rest } = member;
    const leading = lead();
    const about = {
      ...rest,
      role: leading ? 'leader' : 'standby',
      digest: digestOf(print),
      definitions: definitions(),
    };
    return {
      own: id,
      groupId: this.groupId,
      about: JSON.stringify(about),
      term: leading?.term ?? 0,
      state: leading?.state ?? '',
      server: leading?.server ?? '',
      paused: isPaused(),
    };
  }

  /** Says once for each leader in which options this process differs from it. */
  private async compare({ digest, leader, members, nowMillis }: GroupSnapshot): Promise<void> {
    const { print, name, redis, errors, member } = this.context;
    if (digest === undefined || leader === member.id || digest === digestOf(print)) return;
    const other = members.find(({ id }) => id === leader);
    // One that has just died may have been restarted with other options.
    if (!other || nowMillis - other.atMillis > 2 * BEAT_MILLIS) return;
    const pair = `${leader} ${digest}`;
    if (this.comparedWith === pair) return;
    this.comparedWith = pair;
    try {
      const theirs = JSON.parse(
        (await leaderPrint(redis.client, groupKeys(redis.client, name))) ?? '{}',
      ) as OptionPrint;
      errors.report(
        new GroupMismatchError(
          `This process (pid ${member.pid} on ${member.host}) and the leader of the group (pid ${other.pid} on ${other.host}) have different ` +
            `options: ${differences(print, theirs).join(', ')}. The leader's count for all. Give all processes of ` +
            'the group the same options, or the group of this one another `name`',
        ),
      );
    } catch {
      // Redis is away: the next look compares.
      this.comparedWith = undefined;
    }
  }
}
