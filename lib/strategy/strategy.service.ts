import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { CacheflowConfig } from '../cacheflow.config';
import { CACHEFLOW_CONFIG } from '../cacheflow.constants';
import { CacheStrategy } from '../cacheflow.options';
import {
  RedisRefusedError,
  RowIncompleteError,
  StrategyFailedError,
  errorKind,
} from '../errors/change.errors';
import { ErrorReporter } from '../errors/error-reporter';
import { toChangeEvent } from '../events/to-change-event';
import type { RowChange, StreamItem, TableFlush, TableShape } from '../pipeline/stream';
import { CacheWriter } from '../redis/cache-writer';
import { isCluster } from '../redis/redis-client';
import { RedisConnection } from '../redis/redis-connection';
import { RedisGate } from '../redis/redis-gate';
import { Versions } from '../redis/version';
import type { VersionedWrite, WriteRefusal } from '../redis/versioned-write';
import { canHaveRecord } from '../redis/versioned-write';
import type { ParkedCommand, ParkedWork, RetryResult } from '../retry/parked-command';
import { RetryService } from '../retry/retry.service';
import { eachLimited } from '../support/each-limited';
import { TimeSlice } from '../support/time-slice';
import { cascadeFlushes } from './cascade-flushes';
import { CustomStrategies } from './custom-strategies';
import { FlushSet } from './flush-set';
import { PendingRetries } from './pending-retries';
import { rowToJson } from './row-json';
import type { FlushProgress } from './table-flusher';
import { TableFlusher } from './table-flusher';
import { TablePlans, nameOf } from './table-plans';
import type { TableRule } from './table-rules';
import type { VersionedPlan } from './write-plan';
import { WritePlan } from './write-plan';

/** Counts of what was done to Redis since the start. */
export interface StrategyCounters {
  /** Keys removed because their row changed. */
  readonly invalidated: number;
  /** Keys written. */
  readonly written: number;
  /** Keys removed because all keys of a table had to go. */
  readonly flushed: number;
}

/** Of one round trip: few enough that neither the app's event loop nor Redis is held for long. */
const KEYS_PER_ROUND = 1_000;
const CHARACTERS_PER_ROUND = 64 * 1024;
/** Redis works on one round while the next one is made (`npm run bench`, write-through). */
const ROUNDS_AT_ONCE = 2;

/** Makes the cache right: turns changes into keys and applies them to Redis, a batch at a time. */
@Injectable()
export class StrategyService {
  private readonly plans: TablePlans;
  private readonly flusher: TableFlusher;
  private readonly pending = new PendingRetries();
  private readonly warnedIncomplete = new Set<string>();
  private invalidated = 0;
  private written = 0;
  private versions = new Versions(0);

  constructor(
    @Inject(RedisConnection) private readonly redis: RedisConnection,
    @Inject(CacheWriter) private readonly writer: CacheWriter,
    @Inject(RedisGate) gate: RedisGate,
    @Inject(CACHEFLOW_CONFIG) config: CacheflowConfig,
    @Inject(CustomStrategies) private readonly custom: CustomStrategies,
    @Inject(RetryService) private readonly retries: RetryService,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
  ) {
    this.plans = new TablePlans(config, errors);
    this.flusher = new TableFlusher(config, redis, gate, errors);
  }

  get counters(): StrategyCounters {
    return { invalidated: this.invalidated, written: this.written, flushed: this.flusher.removed };
  }

  /** Undefined while nothing is being flushed. */
  get flushing(): FlushProgress | undefined {
    return this.flusher.progress;
  }

  /** The epoch that the changes applied from now on belong to. */
  useEpoch(epoch: number): void {
    this.versions = new Versions(epoch);
  }

  /**
   * Applies a batch; safe to repeat. Resolves once Redis has acknowledged every effect, or what it refused is safe
   * elsewhere. While Redis is away it waits and tries again; it rejects only when the signal is aborted meanwhile.
   *
   * @throws RedisRewoundError when Redis has lost earlier writes
   */
  async apply(items: readonly StreamItem[], signal: AbortSignal): Promise<void> {
    const plan = new WritePlan();
    const flushes = new FlushSet();
    const slice = new TimeSlice();
    let ranCustom = false;
    for (const item of items) {
      if (slice.isOver) await slice.next();
      if (item.kind === 'flush') flushes.add(item);
      else if (await this.plan(item, plan, flushes, signal)) ranCustom = true;
    }
    // Each key is in one round only, so that their order does not matter.
    await eachLimited(ROUNDS_AT_ONCE, this.rounds(plan), (round) => this.writeRound(plan, round, signal));
    // Counts what a custom strategy wrote by itself, so that a Redis that loses it later is noticed.
    if (ranCustom) await this.writer.round({}, signal);
    // Last, because it removes whatever the batch wrote to the same table: removing is always right.
    for (const flush of flushes) await this.flush(flush, signal);
  }

  /** The columns that have to be decoded for the cache; undefined stands for all. */
  columnsNeeded(
    table: TableShape,
    position: { file: string; offset: number },
  ): ReadonlySet<string> | undefined {
    return this.plans.of(table, position)?.needs;
  }

  /** Does again what was parked. See {@link RetryExecutor}. */
  async retry({ work, attempts }: ParkedCommand, signal: AbortSignal): Promise<RetryResult> {
    switch (work.kind) {
      case 'set':
        return this.retrySet(work, signal);
      case 'remove': {
        const remove = { key: work.key, version: work.version, value: undefined, ttlSeconds: undefined };
        const writes = work.tombstone ? { versioned: [remove] } : { removals: [work.key] };
        const refusal = (await this.writer.round(writes, signal)).get(work.key);
        return resultOf(refusal);
      }
      case 'flush': {
        const refusal = await this.flusher.flush(work, work.version, signal);
        return resultOf(refusal);
      }
      case 'strategy':
        return this.retryCustom(work, attempts, signal);
      case 'handler':
        throw new Error('A call of a handler is nothing that the cache can do');
    }
  }

  /** Whether a custom strategy was called. */
  private async plan(
    change: RowChange,
    plan: WritePlan,
    flushes: FlushSet,
    signal: AbortSignal,
  ): Promise<boolean> {
    for (const flush of cascadeFlushes(change)) flushes.add(flush);
    const table = this.plans.of(change.table, change.position);
    if (!table) return false;
    const { strategy, ttlSeconds } = table.rule;
    const before = this.plans.keysOf(table, change, 'before', flushes);
    const after = this.plans.keysOf(table, change, 'after', flushes);
    for (const key of before) this.pending.supersede(key);
    for (const key of after) this.pending.supersede(key);
    if (typeof strategy === 'function') {
      const keys = [...new Set([...before, ...after])];
      if (await this.runCustom(table.rule, change, keys, signal)) return true;
      for (const key of keys) plan.remove(key, change);
      return true;
    }
    if (strategy === CacheStrategy.CacheAside) {
      for (const key of before) plan.remove(key, change);
      for (const key of after) plan.remove(key, change);
      return false;
    }
    if (change.after !== null && !change.afterComplete) this.warnIncomplete(change);
    for (const key of before) plan.set({ key, change, action: 'bury', ttlSeconds });
    const action = change.afterComplete ? 'write' : 'bury';
    for (const key of after) plan.set({ key, change, action, ttlSeconds });
    return false;
  }

  /** Whether the table's own strategy did it. A failure is reported and parked, in its place in the stream. */
  private async runCustom(
    rule: TableRule,
    change: RowChange,
    keys: readonly string[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const event = toChangeEvent(change);
    try {
      await this.custom.run(rule, event, { keys, ttlSeconds: rule.ttlSeconds });
      return true;
    } catch (cause) {
      const reason = errorKind(cause);
      this.errors.report(
        new StrategyFailedError(
          `The table's strategy failed (${reason}); the keys of the row are removed, and it is called again`,
          nameOf(change),
          change.position,
          { cause },
        ),
      );
      const version = this.versions.of(change.position);
      for (const key of keys) this.pending.add(key, version);
      await this.park({ kind: 'strategy', event, keys, version }, change, reason, signal);
      return false;
    }
  }

  private async retryCustom(
    { event, keys, version }: Extract<ParkedWork, { kind: 'strategy' }>,
    attempts: number,
    signal: AbortSignal,
  ): Promise<RetryResult> {
    const rule = this.plans.ruleOf(event);
    const isLatest = (): boolean => keys.every((key) => this.pending.isLatest(key, version));
    const isUnknown = keys.some((key) => this.pending.stateOf(key, version) === 'unknown');
    const isWanted = attempts === 0;
    if (rule && (isLatest() || (isUnknown && isWanted))) {
      try {
        await this.custom.run(rule, event, { keys, ttlSeconds: rule.ttlSeconds });
        if (isLatest()) {
          for (const key of keys) this.pending.done(key, version);
          return { done: true };
        }
      } catch (cause) {
        // What it wrote before it failed is old if something newer came by meanwhile.
        if (isLatest()) return { done: false, reason: errorKind(cause) };
      }
    }
    // Something newer was done to the keys, or may have been: what the strategy would write now could be old.
    const [refusal] = (await this.writer.round({ removals: keys }, signal)).values();
    if (refusal) return resultOf(refusal);
    // Parked before a restart or by another process: a person has to decide, by a requeue, which starts from 0.
    if (isUnknown && !isWanted) return { done: false, reason: 'NEWER_UNKNOWN' };
    for (const key of keys) this.pending.done(key, version);
    return { done: true };
  }

  /** What the plan comes to, a round trip at a time; the values are made on the way. */
  private *rounds(plan: WritePlan): Generator<Round> {
    let round: Round = { removals: [], versioned: [], size: 0 };
    for (const key of plan.removals) {
      round.removals.push(key);
      if (!isFull(round)) continue;
      yield round;
      round = { removals: [], versioned: [], size: 0 };
    }
    for (const planned of plan.versioned) {
      this.add(round, planned);
      if (!isFull(round)) continue;
      yield round;
      round = { removals: [], versioned: [], size: 0 };
    }
    if (round.removals.length + round.versioned.length > 0) yield round;
  }

  private add(round: Round, { key, change, action, ttlSeconds }: VersionedPlan): void {
    if (!this.canBeVersioned(key)) {
      round.removals.push(key);
      return;
    }
    const value = action === 'write' ? this.toJson(change) : undefined;
    round.versioned.push({ key, version: this.versions.of(change.position), value, ttlSeconds });
    round.size += value?.length ?? 0;
  }

  /** In a cluster some keys cannot have a record in their slot; they are removed instead of written. */
  private canBeVersioned(key: string): boolean {
    const { client } = this.redis;
    return !isCluster(client) || canHaveRecord(key, client.options.keyPrefix ?? '');
  }

  /** The value of a row; undefined, and reported, where it cannot be made (it is longer than a string may be). */
  private toJson(change: RowChange): string | undefined {
    try {
      return rowToJson(change.after ?? {});
    } catch (cause) {
      const problem = `The row cannot be written as JSON (${errorKind(cause)}); its key is removed instead`;
      this.errors.report(new RedisRefusedError(problem, nameOf(change), change.position, { cause }));
      return undefined;
    }
  }

  private async writeRound(plan: WritePlan, round: Round, signal: AbortSignal): Promise<void> {
    const refusals = await this.writer.round(round, signal);
    const written = round.versioned.filter((write) => write.value !== undefined).length;
    this.written += written;
    this.invalidated += round.removals.length + round.versioned.length - written;
    if (refusals.size > 0) await this.parkRefused(plan, round, refusals, signal);
  }

  private async parkRefused(
    plan: WritePlan,
    { versioned }: Round,
    refusals: ReadonlyMap<string, WriteRefusal>,
    signal: AbortSignal,
  ): Promise<void> {
    const writes = new Map(versioned.map((write) => [write.key, write]));
    const commands: ParkedCommand[] = [];
    for (const [key, refusal] of refusals) {
      const change = plan.changeOf(key);
      if (!change) continue;
      const reason = replyCode(refusal.message);
      const write = writes.get(key);
      const problem = refusal.removed
        ? `Redis refused a value (${reason}); its key was removed instead, and it is written again`
        : `Redis refuses to remove a key (${reason}), which may be stale until it does: allow the user UNLINK on it`;
      this.errors.report(new RedisRefusedError(problem, nameOf(change), change.position));
      commands.push(commandOf(this.workOf(key, write, change), change, reason));
    }
    await this.retries.park(commands, signal);
  }

  private workOf(key: string, write: VersionedWrite | undefined, change: RowChange): ParkedWork {
    const version = write?.version ?? this.versions.of(change.position);
    if (write?.value === undefined) return { kind: 'remove', key, version, tombstone: write !== undefined };
    this.pending.add(key, version);
    return { kind: 'set', key, value: write.value, ttlSeconds: write.ttlSeconds, version };
  }

  private async retrySet(
    { key, value, ttlSeconds, version }: Extract<ParkedWork, { kind: 'set' }>,
    signal: AbortSignal,
  ): Promise<RetryResult> {
    const proven = this.pending.isLatest(key, version);
    const writes = this.canBeVersioned(key)
      ? { versioned: [{ key, version, value, ttlSeconds, needsProof: !proven }] }
      : { removals: [key] };
    const refusal = (await this.writer.round(writes, signal)).get(key);
    if (refusal) return resultOf(refusal);
    // A newer change that Redis refused came by meanwhile, and its removal may have been before our write.
    if (proven && !this.pending.isLatest(key, version)) await this.writer.round({ removals: [key] }, signal);
    this.pending.done(key, version);
    return { done: true };
  }

  private async flush({ table, position }: TableFlush, signal: AbortSignal): Promise<void> {
    const version = this.versions.of(position);
    const scope = { schema: table?.schema, table: table?.table };
    // A parked value may be one of those that are gone now.
    this.pending.supersedeAll();
    const refusal = await this.flusher.flush(scope, version, signal);
    // Counts, so that a Redis that loses it later is noticed.
    await this.writer.round({}, signal);
    if (!refusal) return;
    const reason = replyCode(refusal.message);
    const problem = `Redis refuses to scan for or remove keys (${reason}), which may be stale until it does: allow the user SCAN and UNLINK`;
    const name = table && [table.schema, table.table].filter((part) => part !== undefined).join('.');
    this.errors.report(new RedisRefusedError(problem, name, position, { cause: refusal }));
    await this.retries.park(
      [commandOf({ kind: 'flush', ...scope, version }, { table: name, position }, reason)],
      signal,
    );
  }

  private async park(
    work: ParkedWork,
    change: RowChange,
    reason: string,
    signal: AbortSignal,
  ): Promise<void> {
    await this.retries.park([commandOf(work, change, reason)], signal);
  }

  private warnIncomplete(change: RowChange): void {
    const name = nameOf(change);
    if (this.warnedIncomplete.has(name)) return;
    this.warnedIncomplete.add(name);
    const problem =
      'Rows of a write-through table arrive without all columns, so that their keys are removed instead of written. ' +
      'SET GLOBAL binlog_row_image = FULL';
    this.errors.report(new RowIncompleteError(problem, name, change.position));
  }
}

/** What one round trip does. */
interface Round {
  readonly removals: string[];
  readonly versioned: VersionedWrite[];
  /** Characters of the values. */
  size: number;
}

function isFull({ removals, versioned, size }: Round): boolean {
  return removals.length + versioned.length >= KEYS_PER_ROUND || size >= CHARACTERS_PER_ROUND;
}

function commandOf(
  work: ParkedWork,
  of: RowChange | { table: string | undefined; position: { file: string; offset: number } },
  reason: string,
): ParkedCommand {
  const { file, offset } = of.position;
  const table = 'kind' in of ? nameOf(of) : of.table;
  return {
    id: randomUUID(),
    work,
    table,
    position: { file, offset },
    reason,
    attempts: 1,
    parkedAt: Date.now(),
  };
}

/** What a retry came to that Redis refused, or did not. */
function resultOf(refusal: { readonly message: string } | undefined): RetryResult {
  return refusal ? { done: false, reason: replyCode(refusal.message) } : { done: true };
}

/** The code that a reply of Redis begins with; the rest may quote the command. */
function replyCode(reply: string): string {
  return /^[A-Z]+/.exec(reply)?.[0] ?? 'an error';
}
