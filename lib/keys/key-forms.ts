import type { Row } from '../change/change-event';
import type { TableShape } from '../change/stream';
import { createKeyBuilder } from './key-builder';
import type { TableRule } from './table-rules';

/** One way in which a table makes a key of a row. */
export interface KeyForm {
  readonly columns: readonly string[];
  /** Null where one of the columns is NULL, undefined where one is missing. */
  keyOf(row: Row): string | null | undefined;
  /**
   * Whether another row may have the same key, because a text of this one holds what separates the columns: `a:b` and
   * `c` make the same of it as `a` and `b:c`.
   */
  isAmbiguous(row: Row): boolean;
}

/** The forms of a table's keys; undefined for a key function, which may read any column. Throws NoUsableKeyError. */
export function keyForms(rule: TableRule, shape: TableShape): readonly KeyForm[] | undefined {
  const { key, prefix } = rule;
  switch (key.kind) {
    case 'default': {
      const builder = createKeyBuilder(rule, shape);
      const keyOf = (row: Row): string | null | undefined => {
        const keys = builder.keysOf(row, true);
        return keys && (keys[0] ?? null);
      };
      const columns = builder.columns ?? [];
      const separators = columns.slice(1).map(() => ':');
      return [{ columns, keyOf, isAmbiguous: (row) => isAmbiguous(row, columns, separators) }];
    }
    case 'templates':
      return key.templates.map((template) => ({
        columns: [...new Set(template.columns)],
        keyOf: (row) => {
          const text = template.render(row, shape);
          return typeof text === 'string' ? prefix + text : text;
        },
        isAmbiguous: (row) => isAmbiguous(row, template.columns, template.separators),
      }));
    case 'function':
      return undefined;
  }
}

/** Other kinds of values have a form of their own, in which no separator can be moved. */
function isAmbiguous(row: Row, columns: readonly string[], separators: readonly string[]): boolean {
  if (separators.length === 0 || new Set(columns).size === 1) return false;
  // Where two separators overlap, the first character of one is in the text too; nothing at all is in every text.
  const starts = separators.map((separator) => separator.charAt(0));
  return columns.some((column) => {
    const value = row[column];
    return typeof value === 'string' && starts.some((start) => value.includes(start));
  });
}
