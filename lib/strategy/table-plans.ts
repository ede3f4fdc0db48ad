import type { CacheflowConfig } from '../cacheflow.config';
import { messageOf } from '../errors/cacheflow.error';
import { KeyFailedError, RowIncompleteError, TableNotKeyableError, errorKind } from '../errors/change.errors';
import type { ErrorReporter } from '../errors/error-reporter';
import type { RowChange, TableShape } from '../pipeline/stream';
import type { FlushSet } from './flush-set';
import type { KeyBuilder } from './key-builder';
import { createKeyBuilder } from './key-builder';
import type { TableRule } from './table-rules';

/** What the rows of a table come to: their rule, and their keys where these can be made. */
export interface TablePlan {
  readonly rule: TableRule;
  readonly keys: KeyBuilder | undefined;
}

/** Makes the keys of changes, and says so where that cannot be done. */
export class TablePlans {
  private readonly plans = new WeakMap<TableShape, TablePlan>();

  constructor(
    private readonly config: CacheflowConfig,
    private readonly errors: ErrorReporter,
  ) {}

  of(change: RowChange): TablePlan | undefined {
    const known = this.plans.get(change.table);
    if (known) return known;
    const { schema, table } = change.table;
    const rule = this.config.rules.find(schema, table);
    if (!rule) return undefined;
    const plan = { rule, keys: this.createKeys(rule, change) };
    this.plans.set(change.table, plan);
    return plan;
  }

  /** The keys of one image of a row. An image that does not tell its keys costs the table all of them. */
  keysOf(plan: TablePlan, change: RowChange, image: 'before' | 'after', flushes: FlushSet): readonly string[] {
    const row = change[image];
    if (row === null || !plan.keys) return [];
    const complete = image === 'before' ? change.beforeComplete : change.afterComplete;
    let reason;
    try {
      const keys = plan.keys.keysOf(row, complete);
      if (keys) return keys;
      reason = new RowIncompleteError(
        `The ${image} image lacks a column that the key is made of, because the session that wrote it had a lower ` +
          'binlog_row_image; all keys of the table are removed. SET GLOBAL binlog_row_image = FULL',
        nameOf(change),
        change.position,
      );
    } catch (cause) {
      reason = new KeyFailedError(
        `The key function failed (${errorKind(cause)}); all keys of the table are removed`,
        nameOf(change),
        change.position,
        { cause },
      );
    }
    flushes.add({ kind: 'flush', table: change.table, position: change.position, reason });
    this.errors.report(reason);
    return [];
  }

  private createKeys(rule: TableRule, change: RowChange): KeyBuilder | undefined {
    try {
      return createKeyBuilder(rule, change.table);
    } catch (cause) {
      this.errors.report(
        new TableNotKeyableError(
          `No key can be made for the rows of the table, so that they are neither written nor removed: ${messageOf(cause)}`,
          nameOf(change),
          change.position,
          { cause },
        ),
      );
      return undefined;
    }
  }
}

/** `schema.table` of a change. */
export function nameOf(change: RowChange): string {
  return `${change.table.schema}.${change.table.table}`;
}
