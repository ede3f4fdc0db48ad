import { nameOf } from '../change/table-name';
import type { BinlogPlace } from '../change/position';
import type { CacheflowConfig } from '../config/cacheflow.config';
import { messageOf } from '../errors/cacheflow.error';
import { KeyFailedError, RowIncompleteError, TableNotKeyableError, errorKind } from '../errors/change.errors';
import type { ErrorReporter } from '../errors/error-reporter';
import { CacheStrategy } from '../options/cacheflow.options';
import type { Row } from '../change/change-event';
import type { RowChange, TableShape } from '../change/stream';
import type { FlushSet } from './flush-set';
import { globToRegExp } from '../keys/patterns';
import type { RowKeys } from '../keys/row-keys';
import { bindKeys } from '../keys/row-keys';
import type { TableKeys } from '../keys/table-keys';
import { UnknownColumnError, strictRow, toKeys } from '../keys/key-function';
import type { TableRule } from '../keys/table-rules';
import type { DependencyChange } from '../options/table-strategy';

const NONE: readonly string[] = [];

/** What the rows of a table come to: their rule, and their keys where these can be made. */
export interface TablePlan {
  readonly rule: TableRule;
  readonly keys: RowKeys | undefined;
  /** The columns that the strategy needs; undefined stands for all. */
  readonly needs: ReadonlySet<string> | undefined;
}

/** Makes the keys of changes, and says so where that cannot be done. */
export class TablePlans {
  private readonly plans = new WeakMap<TableShape, TablePlan>();
  private readonly patterns = new Map<TableRule, readonly RegExp[]>();
  private readonly uncovered = new Set<TableRule>();

  constructor(
    private readonly config: CacheflowConfig,
    private readonly tableKeys: TableKeys,
    private readonly errors: ErrorReporter,
  ) {}

  /** The plan of a table; undefined for one that nobody watches. */
  of(table: TableShape, position: BinlogPlace): TablePlan | undefined {
    const known = this.plans.get(table);
    if (known) return known;
    const rule = this.config.rules.find(table.schema, table.table);
    if (!rule) return undefined;
    this.tableKeys.shapes.learn(table);
    const keys = this.createKeys(rule, table, position);
    const columns = keys ? keys.columns : [];
    const reads = rule.strategy === CacheStrategy.CacheAside && !rule.invalidates ? columns : undefined;
    const needs = reads && new Set(reads);
    const plan = { rule, keys, needs };
    this.plans.set(table, plan);
    return plan;
  }

  /** The rule of a table; undefined for one that nobody watches. */
  ruleOf(name: { readonly schema: string; readonly table: string }): TableRule | undefined {
    return this.config.rules.find(name.schema, name.table);
  }

  /** The keys of one image of a row. An image that does not tell its keys costs the table all of them. */
  keysOf(
    plan: TablePlan,
    change: RowChange,
    image: 'before' | 'after',
    flushes: FlushSet,
  ): readonly string[] {
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
        nameOf(change.table),
        change.position,
      );
    } catch (cause) {
      reason = new KeyFailedError(
        `The key function failed (${errorKind(cause)}); all keys of the table are removed`,
        nameOf(change.table),
        change.position,
        { cause },
      );
    }
    flushes.add({ kind: 'flush', table: change.table, position: change.position });
    this.errors.report(reason);
    return [];
  }

  /** What else a change makes stale, by the table's `invalidates`. Where that cannot be told, all of it goes. */
  dependentsOf({ rule }: TablePlan, change: RowChange, flushes: FlushSet): readonly string[] {
    if (!rule.invalidates) return NONE;
    let reason;
    try {
      if ((!change.before || change.beforeComplete) && (!change.after || change.afterComplete)) {
        const asked = questionsOf(change);
        const named = asked.flatMap((question) => toKeys(rule.invalidates?.(question)));
        this.checkMatch(rule, named, change);
        return named;
      }
      reason = new RowIncompleteError(
        'A row arrived without all columns, so that `invalidates` cannot be asked; everything that the table makes ' +
          'stale is removed. SET GLOBAL binlog_row_image = FULL',
        nameOf(change.table),
        change.position,
      );
    } catch (cause) {
      reason = new KeyFailedError(
        `\`invalidates\` failed (${cause instanceof UnknownColumnError ? cause.message : errorKind(cause)}); everything that the table makes stale is removed`,
        nameOf(change.table),
        change.position,
        { cause },
      );
    }
    flushes.add({ kind: 'flush', table: change.table, position: change.position });
    this.errors.report(reason);
    return NONE;
  }

  /** What no pattern covers would stay where single keys cannot be told. Said once for each table of the options. */
  private checkMatch(rule: TableRule, named: readonly string[], change: RowChange): void {
    if (this.uncovered.has(rule)) return;
    let patterns = this.patterns.get(rule);
    if (!patterns) this.patterns.set(rule, (patterns = rule.match.map(globToRegExp)));
    if (named.every((key) => patterns.some((pattern) => pattern.test(key)))) return;
    this.uncovered.add(rule);
    this.errors.report(
      new KeyFailedError(
        '`invalidates` names a key or tag that no pattern of `match` covers, so that it would stay when all of them have ' +
          "to go, as after a TRUNCATE: add its pattern, e.g. 'user:*:orders' or tag('org', '*')",
        nameOf(change.table),
        change.position,
      ),
    );
  }

  private createKeys(rule: TableRule, table: TableShape, position: BinlogPlace): RowKeys | undefined {
    try {
      return bindKeys(rule, table);
    } catch (cause) {
      const problem = `No key can be made for the rows of the table, so that they are neither written nor removed: ${messageOf(cause)}`;
      this.errors.report(new TableNotKeyableError(problem, nameOf(table), position, { cause }));
      return undefined;
    }
  }
}

/** A change and its reverse, as far as either leaves a row behind. */
function questionsOf({ action, table, before, after }: RowChange): DependencyChange[] {
  const { schema, table: name } = table;
  const question = (from: Row | null, to: Row | null): DependencyChange[] =>
    to ? [{ action, schema, table: name, before: from && strictRow(from), after: strictRow(to) }] : [];
  return [...question(before, after), ...question(after, before)];
}
