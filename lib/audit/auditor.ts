import { Inject, Injectable } from '@nestjs/common';
import type { CacheflowConfig } from '../config/cacheflow.config';
import { CACHEFLOW_CONFIG } from '../support/injection-tokens';
import { AuditFaultError } from '../errors/audit.errors';
import { errorKind } from '../errors/change.errors';
import { ErrorReporter } from '../errors/error-reporter';
import type { Row } from '../change/change-event';
import type { RowChange, StreamItem } from '../change/stream';
import { tableId, nameOf } from '../change/table-name';
import { forgetKeys } from '../redis/scripts/forget-keys';
import { RedisConnection } from '../redis/redis-connection';
import { isRefusal } from '../redis/redis-writer';
import { StrategyService } from '../strategy/strategy.service';
import { untilAborted, withDeadline } from '../support/abort';
import { Backoff } from '../support/backoff';
import type { AuditStatus } from './audit-status';
import type { AuditedChange, DueChecks } from './audit-queue';
import { AuditQueue } from './audit-queue';
import { AuditSource } from './audit-source';
import type { CheckResult } from './key-check';
import { KeyCheck } from './key-check';
import type { WantedKey } from '../rows/row-finder';

/** What the auditor needs of the tail. */
export interface AuditedTail {
  /** Whether changes arrive: what lies beside a tail that is away or paused may be stale for a while. */
  isStreaming(): boolean;
  /** See `CacheflowService.caughtUp`. */
  caughtUp(timeoutMillis: number): Promise<void>;
}

type Counts = { -readonly [Name in keyof AuditStatus['horizons'][number]]: number };

/** Changes that are looked at together: enough to amortise the questions, few enough for one statement. */
const CHANGES_AT_ONCE = 200;
const CAUGHT_UP_TIMEOUT_MILLIS = 10_000;
const FAILURES_TO_WARN_OF = 5;
/** For what a source or a Redis that hangs does not answer. */
const CHECK_TIMEOUT_MILLIS = 60_000;

/**
 * Looks at a sample of the changes again, some time after they were applied: whether what is cached then is what the
 * source holds. It only looks: whatever goes wrong here harms neither the tail nor the app.
 */
@Injectable()
export class Auditor {
  private readonly queue: AuditQueue;
  private readonly counts: Counts[];
  private readonly ending = new AbortController();
  private readonly source: AuditSource;
  private running: Promise<void> | undefined;
  private wake: (() => void) | undefined;
  private skipped = 0;
  /** Another one for each lead that was lost. */
  private turn = 0;
  /** Changes that are being looked at. */
  private inHand = 0;

  constructor(
    @Inject(CACHEFLOW_CONFIG) private readonly config: CacheflowConfig,
    @Inject(RedisConnection) private readonly redis: RedisConnection,
    @Inject(StrategyService) private readonly strategy: StrategyService,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
  ) {
    const horizons = config.audit?.horizonsMillis ?? [];
    this.queue = new AuditQueue(horizons);
    this.counts = horizons.map((millis) => ({
      millis,
      checked: 0,
      faults: 0,
      undecided: 0,
      incomparable: 0,
      repaired: 0,
    }));
    this.source = new AuditSource(config, redis);
  }

  /** Undefined where nothing is audited. */
  get status(): AuditStatus | undefined {
    if (!this.config.audit) return undefined;
    const horizons = this.counts.map((counts) => ({ ...counts }));
    return { pending: this.queue.size + this.inHand, skipped: this.skipped, horizons };
  }

  start(tail: AuditedTail): void {
    if (this.config.audit) this.running = this.run(tail);
  }

  /** Ends the check in hand as well. Does nothing where nothing was started. */
  async stop(): Promise<void> {
    this.ending.abort(new Error('The auditor was stopped'));
    this.wake?.();
    await this.running;
    this.source.close();
  }

  /**
   * Another process of the group applies the changes from now on: who does not see them cannot tell a wrong value from
   * one that is just being changed.
   */
  handOver(): void {
    this.turn++;
    this.skipped += this.queue.clear();
  }

  /** Draws from a batch that was applied. */
  sample(items: readonly StreamItem[]): void {
    const { audit } = this.config;
    if (!audit || audit.sample === 0) return;
    for (const item of items) {
      if (item.kind !== 'row' || item.table.parentOnly || Math.random() >= audit.sample) continue;
      if (this.queue.size + this.inHand >= audit.maxPending) this.skipped++;
      else this.keep(item);
    }
  }

  private keep(change: RowChange): void {
    const rows = this.strategy.keysOf(change);
    if (rows.size === 0) return;
    const keys = [...rows].map(([key, row]) => ({ key, row: primaryKeyOf(change, row) }));
    const { schema, table } = change.table;
    const { position } = change;
    this.queue.add({ table: { schema, table }, keys, position, appliedAt: performance.now() }, 0);
    this.wake?.();
  }

  private async run(tail: AuditedTail): Promise<void> {
    const { signal } = this.ending;
    while (!signal.aborted) {
      const due = this.queue.takeDue(performance.now(), CHANGES_AT_ONCE);
      if (due) await this.look(due, tail);
      else await this.idle();
    }
  }

  /** Resolves when something is due, or was added, or at the end. */
  private async idle(): Promise<void> {
    const millis = this.queue.millisLeft(performance.now());
    let timer;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      if (this.ending.signal.aborted) resolve();
      if (millis !== undefined) timer = setTimeout(resolve, millis);
    });
    clearTimeout(timer);
    this.wake = undefined;
  }

  /** All that is due of one horizon, table by table. Waits while the source, Redis or the tail is away. */
  private async look({ horizon, changes }: DueChecks, tail: AuditedTail): Promise<void> {
    const { turn } = this;
    this.inHand = changes.length;
    for (const ofTable of byTable(changes)) {
      const results = await this.untilChecked(ofTable, tail);
      if (!results || turn !== this.turn) break;
      await this.conclude(horizon, ofTable, results);
    }
    this.inHand = 0;
    if (turn !== this.turn) this.skipped += changes.length;
    else for (const change of changes) this.queue.add(change, horizon + 1);
  }

  /** Without a result, a key cannot be compared; undefined at the end. */
  private async untilChecked(
    changes: readonly AuditedChange[],
    tail: AuditedTail,
  ): Promise<ReadonlyMap<string, CheckResult> | undefined> {
    const { turn } = this;
    const { signal } = this.ending;
    const backoff = new Backoff({ minMillis: 100, maxMillis: 5_000 });
    let failures = 0;
    for (;;) {
      if (turn !== this.turn) return undefined;
      try {
        signal.throwIfAborted();
        if (!tail.isStreaming()) throw new Error('Nothing can be told while the tail is away');
        return await withDeadline(CHECK_TIMEOUT_MILLIS, signal, (deadline) =>
          untilAborted(this.check(changes, tail, deadline), deadline),
        );
      } catch (error) {
        this.source.close();
        if (isRefused(error)) return new Map();
        // Who is away is reported by those who need them; the auditor only waits.
        if (tail.isStreaming() && ++failures === FAILURES_TO_WARN_OF) {
          this.errors.warn(
            `The auditor cannot look at the cache or the source (${errorKind(error)}); trying again`,
          );
        }
      }
      try {
        await backoff.wait(signal);
      } catch {
        return undefined;
      }
    }
  }

  private async check(
    changes: readonly AuditedChange[],
    tail: AuditedTail,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, CheckResult>> {
    const [first] = changes;
    const wanted = new Map<string, WantedKey>();
    // The newest change of a key knows the newest row.
    for (const { keys } of changes) for (const each of keys) wanted.set(each.key, each);
    const table = first && (await this.source.open(first.table, signal));
    // It was dropped, or nobody can tell its keys any more, which is reported elsewhere.
    if (!first || !table) return new Map();
    const caughtUp = async (): Promise<void> => tail.caughtUp(CAUGHT_UP_TIMEOUT_MILLIS);
    const source = this.source.checkSource(table, caughtUp);
    return new KeyCheck(source, this.strategy.watched, first.table, signal).run([...wanted.values()]);
  }

  private async conclude(
    horizon: number,
    changes: readonly AuditedChange[],
    results: ReadonlyMap<string, CheckResult>,
  ): Promise<void> {
    const counts = this.counts[horizon];
    if (!counts) return;
    const positions = new Map(
      changes.flatMap((change) => change.keys.map(({ key }) => [key, change] as const)),
    );
    for (const [key, change] of positions) {
      const result = results.get(key) ?? 'incomparable';
      counts.checked++;
      if (result === 'undecided' || result === 'incomparable') counts[result]++;
      if (result !== 'wrong') continue;
      counts.faults++;
      const repaired = (this.config.audit?.repair ?? false) && (await this.remove(key));
      if (repaired) counts.repaired++;
      this.errors.report(
        new AuditFaultError(nameOf(change.table), change.position, key, counts.millis, repaired),
      );
    }
  }

  /** Whether it is gone. Removing is always right, and the next check looks again. */
  private async remove(key: string): Promise<boolean> {
    try {
      await withDeadline(CHECK_TIMEOUT_MILLIS, this.ending.signal, (signal) =>
        untilAborted(forgetKeys(this.redis.client, [key]), signal),
      );
      return true;
    } catch {
      return false;
    }
  }
}

/** Whether Redis or the source refused the question itself, which asking again does not change. */
function isRefused(error: unknown): boolean {
  const { sqlState, fatal } = error as { sqlState?: unknown; fatal?: unknown };
  return isRefusal(error) || (typeof sqlState === 'string' && fatal !== true);
}

function byTable(changes: readonly AuditedChange[]): AuditedChange[][] {
  const tables = new Map<string, AuditedChange[]>();
  for (const change of changes) {
    const id = tableId(change.table);
    const group = tables.get(id);
    if (group) group.push(change);
    else tables.set(id, [change]);
  }
  return [...tables.values()];
}

/** Only the columns of the primary key, so that whole rows are not kept for as long as a minute. */
function primaryKeyOf({ table }: RowChange, row: Row): Row | undefined {
  const { primaryKey } = table;
  if (primaryKey.length === 0 || !primaryKey.every((name) => Object.hasOwn(row, name))) return undefined;
  return Object.fromEntries(primaryKey.map((name) => [name, row[name]]));
}
