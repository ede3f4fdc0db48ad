import type { Row } from '../events/change-event';
import type { TableShape } from '../pipeline/stream';
import { createKeyBuilder } from './key-builder';
import type { TableRule } from './table-rules';

/** One way in which a table makes a key of a row. */
export interface KeyForm {
  readonly columns: readonly string[];
  /** Null where one of the columns is NULL, undefined where one is missing. */
  keyOf(row: Row): string | null | undefined;
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
      return [{ columns: builder.columns ?? [], keyOf }];
    }
    case 'templates':
      return key.templates.map((template) => ({
        columns: [...new Set(template.columns)],
        keyOf: (row) => {
          const text = template.render(row, shape);
          return typeof text === 'string' ? prefix + text : text;
        },
      }));
    case 'function':
      return undefined;
  }
}
