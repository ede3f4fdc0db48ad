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
import { flushPatterns } from '../redis/key-flush';
import { RedisConnection } from '../redis/redis-connection';
import { RedisGate } from '../redis/redis-gate';
import type { SetCommand } from '../redis/redis-writer';
import { isRefusal, writeKeys } from '../redis/redis-writer';
import { Backoff } from '../support/backoff';
import { TimeSlice } from '../support/time-slice';
import { cascadeFlushes } from './cascade-flushes';
import { CustomStrategies } from './custom-strategies';
import { flushPatternsOf } from './flush-patterns';
import { FlushSet } from './flush-set';
import { rowToJson } from './row-json';
import { TablePlans, nameOf } from './table-plans';
import type { TableRule } from './table-rules';
import { WritePlan } from './write-plan';

/** Counts of what was done to Redis since the start. */
export interface StrategyCounters {
  /** Keys removed because their row changed. */
  invalidated: number;
  /** Keys written. */
  written: number;
  /** Keys removed because all keys of a table had to go. */
  flushed: number;
}

const CUSTOM_ATTEMPTS = 3;
const KEYS_PER_ROUND = 1_000;
const CHARACTERS_PER_ROUND = 512 * 1024;

/** Makes the cache right: turns changes into keys and applies them to Redis, a batch at a time. */
@Injectable()
export class StrategyService {
  readonly counters: StrategyCounters = { invalidated: 0, written: 0, flushed: 0 };
  private readonly plans: TablePlans;
  private readonly warnedIncomplete = new Set<string>();

  constructor(
    @Inject(RedisConnection) private readonly redis: RedisConnection,
    @Inject(RedisGate) private readonly gate: RedisGate,
    @Inject(CACHEFLOW_CONFIG) private readonly config: CacheflowConfig,
    @Inject(CustomStrategies) private readonly custom: CustomStrategies,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
  ) {
    this.plans = new TablePlans(config, errors);
  }

  /**
   * Applies a batch; safe to repeat. Resolves once Redis has acknowledged every effect. While Redis is away it
   * waits and tries again; it rejects only when the signal is aborted meanwhile.
   */
  async apply(items: readonly StreamItem[], signal: AbortSignal): Promise<void> {
    const plan = new WritePlan();
    const flushes = new FlushSet();
    const slice = new TimeSlice();
    for (const item of items) {
      if (slice.isOver) await slice.next();
      if (item.kind === 'flush') flushes.add(item);
      else await this.plan(item, plan, flushes, signal);
    }
    await this.write(plan, signal);
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

  private async plan(
    change: RowChange,
    plan: WritePlan,
    flushes: FlushSet,
    signal: AbortSignal,
  ): Promise<void> {
    for (const flush of cascadeFlushes(change)) flushes.add(flush);
    const table = this.plans.of(change.table, change.position);
    if (!table) return;
    const { strategy, ttlSeconds } = table.rule;
    const before = this.plans.keysOf(table, change, 'before', flushes);
    const after = this.plans.keysOf(table, change, 'after', flushes);
    if (typeof strategy === 'function') {
      const keys = [...new Set([...before, ...after])];
      const done = await this.runCustom(table.rule, change, keys, signal);
      if (!done) for (const key of keys) plan.remove(key, change);
      return;
    }
    for (const key of before) plan.remove(key, change);
    const writes = strategy === CacheStrategy.WriteThrough && change.after !== null;
    if (writes && !change.afterComplete) this.warnIncomplete(change);
    for (const key of after) {
      if (writes && change.afterComplete) plan.write(key, change, ttlSeconds);
      else plan.remove(key, change);
    }
  }

  /** Whether the table's own strategy did it; a failure is reported. */
  private async runCustom(
    rule: TableRule,
    change: RowChange,
    keys: readonly string[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const backoff = new Backoff({ minMillis: 100, maxMillis: 2_000 });
    for (let attempt = 1; ; attempt++) {
      try {
        await this.custom.run(rule, toChangeEvent(change), { keys, ttlSeconds: rule.ttlSeconds });
        return true;
      } catch (cause) {
        if (attempt === CUSTOM_ATTEMPTS) {
          const problem = `The table's strategy failed ${attempt} times (${errorKind(cause)}); the keys of the row are removed`;
          this.errors.report(new StrategyFailedError(problem, nameOf(change), change.position, { cause }));
          return false;
        }
      }
      await backoff.wait(signal);
    }
  }

  private async write(plan: WritePlan, signal: AbortSignal): Promise<void> {
    const slice = new TimeSlice();
    const removals = plan.removals;
    for (let at = 0; at < removals.length; at += KEYS_PER_ROUND) {
      if (slice.isOver) await slice.next();
      await this.writeRound(plan, [], removals.slice(at, at + KEYS_PER_ROUND), signal);
    }
    let sets: SetCommand[] = [];
    let size = 0;
    for (const { key, value } of plan.writes) {
      if (slice.isOver) await slice.next();
      const json = this.toJson(value.change);
      if (json === undefined) {
        await this.writeRound(plan, [], [key], signal);
        continue;
      }
      sets.push({ key, value: json, ttlSeconds: value.ttlSeconds });
      size += json.length;
      if (sets.length < KEYS_PER_ROUND && size < CHARACTERS_PER_ROUND) continue;
      await this.writeRound(plan, sets, [], signal);
      sets = [];
      size = 0;
    }
    await this.writeRound(plan, sets, [], signal);
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

  /** One round trip: few enough commands that neither the app's event loop nor Redis is held for long. */
  private async writeRound(
    plan: WritePlan,
    sets: readonly SetCommand[],
    removals: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    if (removals.length + sets.length === 0) return;
    const refused = await this.gate.run(signal, () => writeKeys(this.redis.client, sets, removals));
    this.counters.invalidated += removals.length;
    this.counters.written += sets.length;
    for (const [key, reason] of refused) await this.removeRefused(plan, key, reason, signal);
  }

  /** What Redis does not take is removed by itself, because the value that stands there is no longer right. */
  private async removeRefused(
    plan: WritePlan,
    key: string,
    reason: Error,
    signal: AbortSignal,
  ): Promise<void> {
    const refused = await this.gate.run(signal, () => writeKeys(this.redis.client, [], [key]));
    const still = refused.get(key);
    const change = plan.changeOf(key);
    // One key of a multi-key command was refused and this is another one.
    if (!change || (!still && plan.removes(key))) return;
    const problem = still
      ? `Redis refuses to remove a key (${replyCode(still)}), which may be stale now: allow the user UNLINK on it`
      : `Redis refused a value (${replyCode(reason)}); its key was removed instead`;
    this.errors.report(
      new RedisRefusedError(problem, nameOf(change), change.position, { cause: still ?? reason }),
    );
  }

  private async flush(flush: TableFlush, signal: AbortSignal): Promise<void> {
    const patterns = flushPatternsOf(this.config.rules, flush.table);
    try {
      this.counters.flushed += await this.gate.run(signal, () => flushPatterns(this.redis.client, patterns));
    } catch (cause) {
      if (!isRefusal(cause)) throw cause;
      const problem = `Redis refuses to scan for or remove keys (${replyCode(cause)}), which may be stale now: allow the user SCAN and UNLINK`;
      this.errors.report(
        new RedisRefusedError(
          problem,
          flush.table && `${flush.table.schema}.${flush.table.table ?? '*'}`,
          flush.position,
          { cause },
        ),
      );
    }
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

/** The code that a reply of Redis begins with; the rest may quote the command. */
function replyCode(reply: Error): string {
  return /^[A-Z]+/.exec(reply.message)?.[0] ?? 'an error';
}
