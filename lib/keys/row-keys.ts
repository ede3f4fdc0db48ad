import type { Row } from '../change/change-event';
import type { TableShape } from '../change/stream';
import type { TableName } from '../change/table-name';
import type { KeyForm } from './key-form';
import { strictRow, toKeys } from './key-function';
import { KeyTemplate } from './key-template';
import { escapePattern } from './patterns';
import type { TableRule } from './table-rules';

/** Thrown at the first sight of a table whose rows cannot be keyed; the message says which columns lack. */
export class NoUsableKeyError extends Error {}

/** The keys of one table's rows: its rule of the options, bound to what the table looks like. */
export interface RowKeys {
  /** The columns the keys are made of; undefined for a key function, which may read any. */
  readonly columns: readonly string[] | undefined;
  /** Each way to make a key; undefined for a key function, which cannot be turned around. */
  readonly forms: readonly KeyForm[] | undefined;
  /**
   * The keys of a row, without those that a NULL forbids. Undefined when the image lacks a column that is
   * needed. A key function's error is passed on.
   *
   * @param complete whether the row has all its columns, which a key function needs
   */
  keysOf(row: Row, complete: boolean): string[] | undefined;
}

/** Binds a rule to a table. Throws NoUsableKeyError. */
export function bindKeys({ key, prefix }: TableRule, shape: TableShape): RowKeys {
  if (key.kind === 'function') {
    const keysOf: RowKeys['keysOf'] = (row, complete) =>
      complete ? toKeys(key.make(row)).map((text) => prefix + text) : undefined;
    return { columns: undefined, forms: undefined, keysOf };
  }
  const templates = key.kind === 'templates' ? key.templates : [defaultTemplate(key.fields, shape)];
  const columns = [...new Set(templates.flatMap((template) => template.columns))];
  requireColumns(columns, shape);
  const forms = templates.map((template) => template.bind(prefix, shape));
  return { columns, forms, keysOf: (row) => keysOfForms(forms, row) };
}

/** The keys that a key function makes of a row that has every column it reads. Throws what the function throws. */
export function functionKeys({ key, prefix }: TableRule, row: Row): string[] {
  return key.kind === 'function' ? toKeys(key.make(strictRow(row))).map((text) => prefix + text) : [];
}

/** Whether the shape of the table is needed: to make its key, or to tell a whole row for a key function. */
export function needsShape({ key }: TableRule): boolean {
  return key.kind === 'function' || (key.kind === 'default' && key.fields === undefined);
}

/** The columns that the options themselves name for the keys. */
export function namedColumns({ key }: TableRule): readonly string[] {
  if (key.kind === 'templates') return key.templates.flatMap((template) => template.columns);
  return key.kind === 'default' ? (key.fields ?? []) : [];
}

/** Redis patterns that every key of the table's rows matches. */
export function keyPatterns({ key, prefix, match }: TableRule, name: TableName): string[] {
  // One column stands for any number of them: what lies between is text as well.
  const anyColumns = [KeyTemplate.ofColumns(['*'])];
  const patterns =
    key.kind === 'function'
      ? match
      : (key.kind === 'default' ? anyColumns : key.templates).map((template) => template.pattern(name));
  return patterns.map((pattern) => escapePattern(prefix) + pattern);
}

/** Redis patterns that everything matches which a change of the table makes stale, so that all of it can be removed. */
export function stalePatterns(rule: TableRule, name: TableName): string[] {
  return [...keyPatterns(rule, name), ...(rule.invalidates ? rule.match : [])];
}

function keysOfForms(forms: readonly KeyForm[], row: Row): string[] | undefined {
  const keys: string[] = [];
  for (const form of forms) {
    const key = form.keyOf(row);
    if (key === undefined) return undefined;
    if (key !== null) keys.push(key);
  }
  return keys;
}

/** The default key is made of `keyFields`, else of `id`, else of the primary key. */
function defaultTemplate(fields: readonly string[] | undefined, shape: TableShape): KeyTemplate {
  if (fields) return KeyTemplate.ofColumns(fields);
  if (shape.columns.includes('id')) return KeyTemplate.ofColumns(['id']);
  if (shape.primaryKey.length > 0) return KeyTemplate.ofColumns(shape.primaryKey);
  throw new NoUsableKeyError('it has neither a column `id` nor a primary key');
}

function requireColumns(columns: readonly string[], shape: TableShape): void {
  // mysql2 does not read a column of that name, so that no reader could make the same key.
  if (columns.includes('__proto__'))
    throw new NoUsableKeyError('a column `__proto__` cannot be part of a key');
  const missing = columns.filter((column) => !shape.columns.includes(column));
  if (missing.length > 0) {
    throw new NoUsableKeyError(
      `it has no column ${missing.map((column) => `\`${column}\``).join(', ')}; its columns are ${shape.columns.join(', ')}`,
    );
  }
}
