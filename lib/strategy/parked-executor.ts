import { errorKind } from '../errors/change.errors';
import type { CacheWriter } from '../redis/cache-writer';
import { replyCode } from '../redis/reply-code';
import type { ParkedCommand, ParkedWork, RetryResult } from '../retry/parked-command';
import type { CustomStrategies } from './custom-strategies';
import type { PendingRetries } from './pending-retries';
import type { TableFlusher } from './table-flusher';
import type { TablePlans } from './table-plans';
import type { WriteRounds } from './write-rounds';

type Work<Kind extends ParkedWork['kind']> = Extract<ParkedWork, { kind: Kind }>;

/** What an executor works with. */
export interface ExecutorContext {
  readonly writer: CacheWriter;
  readonly flusher: TableFlusher;
  readonly custom: CustomStrategies;
  readonly tables: TablePlans;
  readonly rounds: WriteRounds;
  readonly pending: PendingRetries;
}

/** Does again what was parked, and never so that something older stays where something newer was done. */
export class ParkedExecutor {
  constructor(private readonly context: ExecutorContext) {}

  /** See {@link RetryExecutor}. */
  async execute({ work, attempts }: ParkedCommand, signal: AbortSignal): Promise<RetryResult> {
    switch (work.kind) {
      case 'set':
        return this.set(work, signal);
      case 'remove':
        return this.remove(work, signal);
      case 'flush':
        return resultOf(await this.context.flusher.flush(work, work.version, signal));
      case 'strategy':
        return this.callStrategy(work, attempts, signal);
      case 'handler':
        throw new Error('A call of a handler is nothing that the cache can do');
    }
  }

  private async remove(
    { key, version, tombstone }: Work<'remove'>,
    signal: AbortSignal,
  ): Promise<RetryResult> {
    const remove = { key, version, value: undefined, ttlSeconds: undefined };
    const writes = tombstone ? { versioned: [remove] } : { removals: [key] };
    return resultOf((await this.context.writer.round(writes, signal)).get(key));
  }

  private async set(
    { key, value, ttlSeconds, version }: Work<'set'>,
    signal: AbortSignal,
  ): Promise<RetryResult> {
    const proven = this.context.pending.isLatest(key, version);
    const writes = this.context.rounds.canBeVersioned(key)
      ? { versioned: [{ key, version, value, ttlSeconds, needsProof: !proven }] }
      : { removals: [key] };
    const refusal = (await this.context.writer.round(writes, signal)).get(key);
    if (refusal) return resultOf(refusal);
    // A newer change that Redis refused came by meanwhile, and its removal may have been before our write.
    if (proven && !this.context.pending.isLatest(key, version))
      await this.context.writer.round({ removals: [key] }, signal);
    this.context.pending.done(key, version);
    return { done: true };
  }

  private async callStrategy(
    { event, keys, version }: Work<'strategy'>,
    attempts: number,
    signal: AbortSignal,
  ): Promise<RetryResult> {
    const rule = this.context.tables.ruleOf(event);
    const isLatest = (): boolean => keys.every((key) => this.context.pending.isLatest(key, version));
    const isUnknown = keys.some((key) => this.context.pending.stateOf(key, version) === 'unknown');
    const isWanted = attempts === 0;
    if (rule && (isLatest() || (isUnknown && isWanted))) {
      // What a reader has loaded before may not be put over what the strategy writes.
      const leasesEnded = await this.context.writer.endLeases(keys, signal);
      try {
        await this.context.custom.run(rule, event, { keys, ttlSeconds: rule.ttlSeconds });
        if (isLatest() && leasesEnded) {
          for (const key of keys) this.context.pending.done(key, version);
          return { done: true };
        }
      } catch (cause) {
        // What it wrote before it failed is old if something newer came by meanwhile.
        if (isLatest()) return { done: false, reason: errorKind(cause) };
      }
    }
    // Something newer was done to the keys, or may have been: what the strategy would write now could be old.
    const [refusal] = (await this.context.writer.round({ removals: keys }, signal)).values();
    if (refusal) return resultOf(refusal);
    // Parked before a restart or by another process: a person has to decide, by a requeue, which starts from 0.
    if (isUnknown && !isWanted) return { done: false, reason: 'NEWER_UNKNOWN' };
    for (const key of keys) this.context.pending.done(key, version);
    return { done: true };
  }
}

/** What a retry came to that Redis refused, or did not. */
function resultOf(refusal: { readonly message: string } | undefined): RetryResult {
  return refusal ? { done: false, reason: replyCode(refusal.message) } : { done: true };
}
