import type { Row } from '../change/change-event';
import type { TableShape } from '../change/stream';
import { escapeName, escapePattern, columnText } from './key-template';
import type { TableRule } from './table-rules';

/** Thrown at the first sight of a table whose rows cannot be keyed; the message says which columns lack. */
export class NoUsableKeyError extends Error {}

/** Makes the keys of a table's rows. */
export interface KeyBuilder {
  /** The columns the keys are made of; undefined for a key function, which may read any. */
  readonly columns: readonly string[] | undefined;
  /**
   * The keys of a row, without those that a NULL forbids. Undefined when the image lacks a column that is
   * needed. A key function's error is passed on.
   */
  keysOf(row: Row, complete: boolean): string[] | undefined;
}

/** The builder for a table. Throws NoUsableKeyError. */
export function createKeyBuilder(rule: TableRule, shape: TableShape): KeyBuilder {
  const { key, prefix } = rule;
  switch (key.kind) {
    case 'default':
      return defaultKey(rule, shape, defaultKeyColumns(rule, shape));
    case 'templates': {
      const columns = [...new Set(key.templates.flatMap((template) => template.columns))];
      requireColumns(columns, shape);
      return {
        columns,
        keysOf: (row) => {
          const keys: string[] = [];
          for (const template of key.templates) {
            const text = template.render(row, shape);
            if (text === undefined) return undefined;
            if (text !== null) keys.push(prefix + text);
          }
          return keys;
        },
      };
    }
    case 'function':
      return {
        columns: undefined,
        keysOf: (row, complete) =>
          complete ? toKeys(key.make(row)).map((text) => prefix + text) : undefined,
      };
  }
}

/** Redis patterns that everything matches which a change of the table makes stale, so that all of it can be removed. */
export function stalePatterns(rule: TableRule, name: { schema: string; table: string }): string[] {
  return [...keyPatterns(rule, name), ...(rule.invalidates ? rule.match : [])];
}

/** Redis patterns that every key of the table's rows matches. */
export function keyPatterns(rule: TableRule, name: { schema: string; table: string }): string[] {
  const prefix = escapePattern(rule.prefix);
  switch (rule.key.kind) {
    case 'default':
      return [`${prefix}${escapeName(name.schema)}:${escapeName(name.table)}:*`];
    case 'templates':
      return rule.key.templates.map((template) => prefix + template.pattern(name));
    case 'function':
      return rule.match.map((pattern) => prefix + pattern);
  }
}

/** The columns of a default key: `keyFields`, else `id`, else the primary key. */
function defaultKeyColumns(rule: TableRule, shape: TableShape): readonly string[] {
  const fields = rule.key.kind === 'default' ? rule.key.fields : undefined;
  if (fields) {
    requireColumns(fields, shape);
    return fields;
  }
  if (shape.columns.includes('id')) return ['id'];
  if (shape.primaryKey.length > 0) {
    requireColumns(shape.primaryKey, shape);
    return shape.primaryKey;
  }
  throw new NoUsableKeyError('it has neither a column `id` nor a primary key');
}

function defaultKey(rule: TableRule, shape: TableShape, columns: readonly string[]): KeyBuilder {
  const start = `${rule.prefix}${shape.schema}:${shape.table}:`;
  return {
    columns,
    keysOf: (row) => {
      let key = start;
      let separator = '';
      for (const column of columns) {
        const text = columnText(row, column);
        if (text === undefined) return undefined;
        if (text === null) return [];
        key += separator + text;
        separator = ':';
      }
      return [key];
    },
  };
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

/** Checks what a function of the app returned for keys. Throws a TypeError that holds no values. */
export function toKeys(result: unknown): readonly string[] {
  if (result === null || result === undefined) return [];
  const keys: unknown[] = Array.isArray(result) ? result : [result];
  for (const key of keys) {
    if (typeof key !== 'string' || key === '') {
      throw new TypeError(
        `a function that makes keys has to return strings, got ${key === '' ? 'an empty one' : typeof key}`,
      );
    }
  }
  return keys as string[];
}
