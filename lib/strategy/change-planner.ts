import type { CacheflowConfig } from '../config/cacheflow.config';
import { CacheStrategy } from '../options/cacheflow.options';
import { RowIncompleteError } from '../errors/change.errors';
import type { ErrorReporter } from '../errors/error-reporter';
import type { RowChange } from '../change/stream';
import { cascadeFlushes } from './cascade-flushes';
import { isTag } from '../keys/tag';
import type { FlushSet } from './flush-set';
import type { PendingRetries } from './pending-retries';
import type { TableKeys } from '../keys/table-keys';
import { nameOf } from '../change/table-name';
import { TablePlans } from './table-plans';
import type { TableRule } from '../keys/table-rules';
import type { WatchedKeys } from './watched-keys';
import type { WritePlan } from './write-plan';

/** A change of a table that has a strategy of the app's own. */
export interface CustomChange {
  readonly change: RowChange;
  readonly rule: TableRule;
  /** Of both images. */
  readonly keys: readonly string[];
}

/** What a planner works with. */
export interface PlannerContext {
  readonly config: CacheflowConfig;
  readonly pending: PendingRetries;
  readonly tableKeys: TableKeys;
  readonly watched: WatchedKeys;
  readonly errors: ErrorReporter;
}

/** Decides what each change does to which keys. */
export class ChangePlanner {
  readonly tables: TablePlans;
  private readonly writesThrough: boolean;
  private readonly warnedIncomplete = new Set<string>();

  constructor(private readonly context: PlannerContext) {
    const { config, tableKeys, errors } = context;
    this.writesThrough = config.rules.all.some(({ strategy }) => strategy === CacheStrategy.WriteThrough);
    this.tables = new TablePlans(config, tableKeys, errors);
  }

  /** Adds a change to the plan, unless the app's own strategy has to decide: then it returns what that needs. */
  add(change: RowChange, plan: WritePlan, flushes: FlushSet): CustomChange | undefined {
    for (const flush of cascadeFlushes(change)) flushes.add(flush);
    const table = this.tables.of(change.table, change.position);
    if (!table) return undefined;
    const { rule } = table;
    const before = this.tables.keysOf(table, change, 'before', flushes);
    const after = this.tables.keysOf(table, change, 'after', flushes);
    for (const key of this.tables.dependentsOf(table, change, flushes)) {
      this.touch(key);
      // It may be one that another table writes, whose version has to stay.
      if (this.writesThrough && !isTag(key))
        plan.set({ key, change, action: 'tombstone', ttlSeconds: undefined });
      else plan.remove(key, change);
    }
    for (const key of before) this.touch(key);
    for (const key of after) this.touch(key);
    switch (rule.strategy) {
      case CacheStrategy.CacheAside:
        for (const key of before) plan.remove(key, change);
        for (const key of after) plan.remove(key, change);
        return undefined;
      case CacheStrategy.WriteThrough: {
        const { ttlSeconds } = rule;
        const action = change.afterComplete ? 'write' : 'tombstone';
        if (change.after !== null && !change.afterComplete) this.warnIncomplete(change);
        for (const key of before) plan.set({ key, change, action: 'tombstone', ttlSeconds });
        for (const key of after) plan.set({ key, change, action, ttlSeconds });
        return undefined;
      }
      default:
        return { change, rule, keys: [...new Set([...before, ...after])] };
    }
  }

  private touch(key: string): void {
    this.context.pending.supersede(key);
    this.context.watched.touch(key);
  }

  private warnIncomplete(change: RowChange): void {
    const name = nameOf(change.table);
    if (this.warnedIncomplete.has(name)) return;
    this.warnedIncomplete.add(name);
    const problem =
      'Rows of a write-through table arrive without all columns, so that their keys are removed instead of written. ' +
      'SET GLOBAL binlog_row_image = FULL';
    this.context.errors.report(new RowIncompleteError(problem, name, change.position));
  }
}
