import { RedisUnavailableError } from '../errors/redis.errors';
import type { RedisConnection } from '../redis/redis-connection';
import type { RedisHold } from '../redis/redis-hold';
import { MEMBER_MILLIS, groupKeys, memberIds, redefine } from '../redis/scripts/group';
import type { GroupLine } from './group-line';
import type { GroupRegistry } from './group-registry';

export interface RedefinitionsContext {
  readonly name: string;
  readonly own: string;
  readonly redis: RedisConnection;
  readonly hold: RedisHold;
  readonly registry: GroupRegistry;
  readonly line: GroupLine;
  /** Forgets what keys are made of. Never rejects. */
  forget(): Promise<void>;
}

/** Lets no process of the group make keys of the old form of a table that looks another way now. */
export class Redefinitions {
  /** The number of the latest one that this process has heard of. */
  count = 0;

  constructor(private readonly context: RedefinitionsContext) {}

  /**
   * Resolves once no living member makes keys of the old form any more. They are told directly, because a Redis without
   * memory takes no writes, and the keys have to go all the same.
   */
  async announce(signal: AbortSignal): Promise<void> {
    const { name, own, redis, hold, registry } = this.context;
    const keys = groupKeys(redis.client, name);
    const seen = await this.unlessRefused(signal, () => registry.beat());
    // Without memory, nobody can say that it lives: any of those that were there may.
    const ids = seen ? idsOf(registry) : await hold.ask(signal, () => memberIds(redis.client, keys));
    const others = ids.filter((id) => id !== own);
    // For those who do not hear it now, also one that was taken for dead and comes back with the old form.
    this.count = (await this.unlessRefused(signal, () => redefine(redis.client, keys))) ?? this.count;
    const isGone = (id: string): boolean => seen !== undefined && !idsOf(registry).includes(id);
    await Promise.all(others.map((id) => this.untilForgotten(id, () => isGone(id), signal)));
  }

  /** The latest one that was announced has this number. */
  heed(count: number): void {
    // A lower number is news as well: Redis has lost the count, and perhaps what was announced meanwhile.
    if (count !== this.count) void this.catchUp(count);
  }

  private async catchUp(count: number): Promise<void> {
    await this.context.forget();
    this.count = count;
  }

  /** Resolves when the member has forgotten the old form, or no longer lives. */
  private async untilForgotten(member: string, isGone: () => boolean, signal: AbortSignal): Promise<void> {
    const { line } = this.context;
    const deadline = performance.now() + MEMBER_MILLIS;
    while (performance.now() < deadline && !isGone()) if (await line.tell(member, 'forget', signal)) return;
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
}

function idsOf({ snapshot }: GroupRegistry): string[] {
  return snapshot?.members.map(({ id }) => id) ?? [];
}
