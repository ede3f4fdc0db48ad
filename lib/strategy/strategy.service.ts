import type { BinlogPlace } from '../change/position';
import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { CacheflowConfig } from '../config/cacheflow.config';
import { CACHEFLOW_CONFIG } from '../support/injection-tokens';
import { RedisRefusedError, StrategyFailedError, errorKind } from '../errors/change.errors';
import { ErrorReporter } from '../errors/error-reporter';
import type { Row } from '../change/change-event';
import { toChangeEvent } from '../change/to-change-event';
import type { RowChange, StreamItem, TableFlush, TableShape } from '../change/stream';
import { CacheWriter } from '../redis/cache-writer';
import { RedisConnection } from '../redis/redis-connection';
import { RedisHold } from '../redis/redis-hold';
import { replyCode } from '../redis/reply-code';
import { Versions } from '../redis/version';
import type { VersionedWrite, WriteRefusal } from '../redis/scripts/versioned-write';
import type { ParkedCommand, ParkedWork, RetryResult } from '../retry/parked-command';
import { RetryService } from '../retry/retry.service';
import { untilAborted } from '../support/abort';
import { eachLimited } from '../support/each-limited';
import { TimeSlice } from '../support/time-slice';
import type { CustomChange } from './change-planner';
import { ChangePlanner } from './change-planner';
import { CustomStrategies } from './custom-strategies';
import { FlushSet } from './flush-set';
import { ParkedExecutor } from './parked-executor';
import { PendingRetries } from './pending-retries';
import type { FlushProgress } from './table-flusher';
import { TableKeys } from '../keys/table-keys';
import { TableFlusher } from './table-flusher';
import { nameOf } from '../change/table-name';
import { WatchedKeys } from './watched-keys';
import { WritePlan } from './write-plan';
import type { Round } from './write-rounds';
import { WriteRounds } from './write-rounds';

/** Counts of what the library did to Redis since the start. */
export interface StrategyCounters {
  /** Keys removed because their row changed. */
  readonly invalidated: number;
  /** Keys written. */
  readonly written: number;
  /** Keys removed by flushes. */
  readonly flushed: number;
}

/** Redis works on one round while the next one is made (`npm run bench`, write-through). */
const ROUNDS_AT_ONCE = 2;

/** Keeps the cache right: turns changes into keys and applies them to Redis, one batch at a time. */
@Injectable()
export class StrategyService {
  private readonly pending = new PendingRetries();
  /** Reports what the library does to a key to those who are checking that key. */
  readonly watched = new WatchedKeys();
  private readonly planner: ChangePlanner;
  private readonly rounds: WriteRounds;
  private readonly flusher: TableFlusher;
  private readonly executor: ParkedExecutor;
  private invalidated = 0;
  private written = 0;
  private versions = new Versions(0);
  private redefined: ((signal: AbortSignal) => Promise<void>) | undefined;

  constructor(
    @Inject(RedisConnection) redis: RedisConnection,
    @Inject(CacheWriter) private readonly writer: CacheWriter,
    @Inject(RedisHold) hold: RedisHold,
    @Inject(CACHEFLOW_CONFIG) config: CacheflowConfig,
    @Inject(CustomStrategies) private readonly custom: CustomStrategies,
    @Inject(RetryService) private readonly retries: RetryService,
    @Inject(TableKeys) private readonly tableKeys: TableKeys,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
  ) {
    const { pending, watched } = this;
    this.planner = new ChangePlanner({ config, pending, tableKeys, watched, errors });
    this.rounds = new WriteRounds(redis, config.cache.serializer, errors);
    this.flusher = new TableFlusher(config, redis, hold, errors);
    const { flusher, rounds } = this;
    const { tables } = this.planner;
    this.executor = new ParkedExecutor({ writer, flusher, custom, tables, rounds, pending });
  }

  get counters(): StrategyCounters {
    return { invalidated: this.invalidated, written: this.written, flushed: this.flusher.removed };
  }

  /** The current flush; undefined while there is none. */
  get flushing(): FlushProgress | undefined {
    return this.flusher.progress;
  }

  /** Sets the epoch of the changes that are applied from now on. */
  useEpoch(epoch: number): void {
    this.versions = new Versions(epoch);
  }

  /** Another process may lead: this one no longer sees the changes that supersede what it has parked. */
  forgetParked(): void {
    this.pending.forget();
  }

  /** Told before the keys of tables go that look another way now; resolves when nobody makes keys of the old form. */
  onRedefined(listener: (signal: AbortSignal) => Promise<void>): void {
    this.redefined = listener;
  }

  /**
   * Applies a batch. It is safe to repeat. Resolves once Redis has acknowledged every effect, or once the refused
   * effects are parked. While Redis is away, it waits and tries again, and rejects only if the signal is aborted.
   *
   * @throws RedisRewoundError if Redis has lost earlier writes
   */
  async apply(items: readonly StreamItem[], signal: AbortSignal): Promise<void> {
    const plan = new WritePlan();
    const flushes = new FlushSet();
    const slice = new TimeSlice();
    let ranCustom = false;
    for (const item of items) {
      if (slice.isOver) await slice.next();
      if (item.kind === 'flush') {
        flushes.add(item);
        continue;
      }
      const custom = this.planner.add(item, plan, flushes);
      if (!custom) continue;
      ranCustom = true;
      if (await this.callStrategy(custom, signal)) continue;
      for (const key of custom.keys) plan.remove(key, item);
    }
    await eachLimited(ROUNDS_AT_ONCE, this.rounds.of(plan, this.versions), (round) =>
      this.write(plan, round, signal),
    );
    // Counts what a custom strategy wrote by itself, so that a Redis that loses it later is noticed.
    if (ranCustom) await this.writer.round({}, signal);
    // Last, because it removes whatever the batch wrote to the same table: removing is always right.
    for (const flush of flushes) await this.flush(flush, signal);
  }

  /** Returns the columns that have to be decoded for the cache; undefined stands for all columns. */
  columnsNeeded(
    table: TableShape,
    position: { file: string; offset: number },
  ): ReadonlySet<string> | undefined {
    return this.planner.tables.of(table, position)?.needs;
  }

  /** Returns the keys of both images of a change that can be determined, each with the newest image that has it. */
  keysOf(change: RowChange): ReadonlyMap<string, Row> {
    const keys = new Map<string, Row>();
    const builder = this.planner.tables.of(change.table, change.position)?.keys;
    for (const [row, complete] of [
      [change.before, change.beforeComplete],
      [change.after, change.afterComplete],
    ] as const) {
      if (!builder || row === null) continue;
      try {
        for (const key of builder.keysOf(row, complete) ?? []) keys.set(key, row);
      } catch {
        // A key function's failure was reported when the change was applied.
      }
    }
    return keys;
  }

  /** Does parked work again. See {@link RetryExecutor}. */
  async retry(command: ParkedCommand, signal: AbortSignal): Promise<RetryResult> {
    const { work } = command;
    const touch = (): void => {
      if (work.kind === 'flush') this.watched.touchTable(work.schema, work.table);
      else if (work.kind === 'strategy') for (const key of work.keys) this.watched.touch(key);
      else if (work.kind !== 'handler') this.watched.touch(work.key);
    };
    touch();
    try {
      return await this.executor.execute(command, signal);
    } finally {
      // For those who began to look meanwhile.
      touch();
    }
  }

  /** Whether the table's own strategy did it, so that the keys may stay. A failure is reported and parked, in its place in the stream. */
  private async callStrategy({ change, rule, keys }: CustomChange, signal: AbortSignal): Promise<boolean> {
    const event = toChangeEvent(change);
    // What a reader has loaded before may not be put over what the strategy writes.
    const leasesEnded = await this.writer.endLeases(keys, signal);
    try {
      await this.custom.run(rule, event, { keys, ttlSeconds: rule.ttlSeconds });
      return leasesEnded;
    } catch (cause) {
      const reason = errorKind(cause);
      this.errors.report(
        new StrategyFailedError(
          `The table's strategy failed (${reason}); the keys of the row are removed, and it is called again`,
          nameOf(change.table),
          change.position,
          { cause },
        ),
      );
      const version = this.versions.of(change.position);
      for (const key of keys) this.pending.add(key, version);
      const work: ParkedWork = { kind: 'strategy', event, keys, version };
      await this.retries.park([commandOf(work, nameOf(change.table), change.position, reason)], signal);
      return false;
    }
  }

  private async write(plan: WritePlan, round: Round, signal: AbortSignal): Promise<void> {
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
      const problem = refusal.removed
        ? `Redis refused a value (${reason}); its key was removed instead, and it is written again`
        : `Redis refuses to remove a key (${reason}), which may be stale until it does: allow the user UNLINK on it, and requeue its dead letter if it has become one`;
      this.errors.report(new RedisRefusedError(problem, nameOf(change.table), change.position));
      const work = this.workOf(key, writes.get(key), change);
      commands.push(commandOf(work, nameOf(change.table), change.position, reason));
    }
    await this.retries.park(commands, signal);
  }

  private workOf(key: string, write: VersionedWrite | undefined, change: RowChange): ParkedWork {
    const version = write?.version ?? this.versions.of(change.position);
    if (write?.value === undefined) return { kind: 'remove', key, version, tombstone: write !== undefined };
    this.pending.add(key, version);
    return { kind: 'set', key, value: write.value, ttlSeconds: write.ttlSeconds, version };
  }

  private async flush({ table, position, redefined }: TableFlush, signal: AbortSignal): Promise<void> {
    const version = this.versions.of(position);
    const scope = { schema: table?.schema, table: table?.table };
    // Before the keys go, so that no reader makes one of the old form afterwards.
    if (redefined || !table) {
      await untilAborted(this.tableKeys.shapes.refresh(table), signal);
      await this.redefined?.(signal);
    }
    this.watched.touchTable(scope.schema, scope.table);
    // A parked value may be one of those that are gone now.
    this.pending.supersedeAll();
    const refusal = await this.flusher.flush(scope, version, signal);
    // Counts, so that a Redis that loses it later is noticed.
    await this.writer.round({}, signal);
    if (!refusal) return;
    const reason = replyCode(refusal.message);
    const problem = `Redis refuses to scan for or remove keys (${reason}), which may be stale until it does: allow the user SCAN and UNLINK, and requeue the dead letter if it has become one`;
    const name = table && [table.schema, table.table].filter((part) => part !== undefined).join('.');
    this.errors.report(new RedisRefusedError(problem, name, position, { cause: refusal }));
    await this.retries.park(
      [commandOf({ kind: 'flush', ...scope, version }, name, position, reason)],
      signal,
    );
  }
}

function commandOf(
  work: ParkedWork,
  table: string | undefined,
  { file, offset }: BinlogPlace,
  reason: string,
): ParkedCommand {
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
