import type { Row } from '../change/change-event';
import type { TableShape } from '../change/stream';
import type { TableName } from '../change/table-name';
import { nameOf } from '../change/table-name';
import { KeyUnknownError } from '../errors/cache.errors';
import { messageOf } from '../errors/cacheflow.error';
import { nearMisses } from '../support/near-misses';
import type { KeyForm } from './key-form';
import { UnknownColumnError } from './key-function';
import { bindKeys, functionKeys, namedColumns, needsShape } from './row-keys';
import type { TableRule, TableRules } from './table-rules';
import { isExact } from './table-rules';
import { TableShapes } from './table-shapes';

/** A pattern may match any number of names. */
const MAX_NAMED = 10_000;

/** Makes for readers the keys that the tail makes of rows, so that the two never disagree. */
export class TableKeys {
  readonly shapes: TableShapes;
  private readonly forms = new WeakMap<TableShape, readonly KeyForm[] | undefined>();
  private readonly named = new Map<string, TableShape>();

  constructor(private readonly rules: TableRules) {
    this.shapes = new TableShapes(rules);
  }

  /** See `CacheflowService.keyOf`. @throws KeyUnknownError */
  keyOf(table: string, row: object): string {
    const key = this.findKey(table, row as Row);
    if (typeof key === 'string') return key;
    if (key === null) {
      throw new KeyUnknownError(`A row of ${table} has no key, because a column of it is NULL or undefined`);
    }
    void this.shapes.ask(this.ruleOf(table).name);
    throw new KeyUnknownError(
      `The columns of ${table} are not known yet, because the source was not reached: try again, or name the columns of the key in \`keyFields\` or \`key\``,
    );
  }

  /** As `keyOf`, but asks the source for what is not known; undefined where it does not tell, and for a row without key. */
  async askKeyOf(table: string, row: object): Promise<string | undefined> {
    const { name, rule } = this.ruleOf(table);
    if (rule.key.kind === 'function') {
      // It would print them into the key.
      const isPartly = Object.values(row).some((value) => value === null || value === undefined);
      return isPartly ? undefined : onlyKey(table, rule, row as Row);
    }
    if (!this.formsOf(name, rule)) await this.shapes.ask(name);
    return this.findKey(table, row as Row) ?? undefined;
  }

  /** Whether another row may have the key of these columns; false for a key function, which nobody can tell of. */
  isAmbiguous(table: string, row: object): boolean {
    const { name, rule } = this.ruleOf(table);
    const forms = this.formsOf(name, rule);
    return forms !== undefined && formFor(table, forms, Object.keys(row)).isAmbiguous(row as Row);
  }

  /** Why no key can be made of these columns (undefined: of the only key); undefined where it can, or cannot be told yet. */
  problemOf(table: string, columns: readonly string[] | undefined, areMade: boolean): string | undefined {
    if (table.includes('*')) return `${table} is a pattern: name one table, whose rows have the key`;
    try {
      const { name, rule } = this.ruleOf(table);
      const forms = this.formsOf(name, rule);
      if (this.shapes.get(name)?.sharesKeys) {
        return `several rows of ${table} may have one key, which is made of \`id\` alone: set \`keyFields\` of the table to columns that tell the rows apart`;
      }
      if (areMade) return undefined;
      if (columns) {
        if (forms) formFor(table, forms, columns);
      } else if (rule.key.kind === 'function' || (forms?.length ?? 1) > 1) {
        return `${table} has several keys or a key function: say with \`by\` which columns the arguments are`;
      }
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  /**
   * The names like it of a table that a pattern matches, but that is not there; undefined where it is, or cannot be
   * told. A table that is watched by its name is told of by the preflight.
   */
  missing(table: string): string[] | undefined {
    const { name, rule } = this.ruleOf(table);
    const { names } = this.shapes;
    if (isExact(rule) || !needsShape(rule) || !names || this.shapes.get(name)) return undefined;
    return nearMisses(table, names);
  }

  /** The columns of the table's only key, in order; undefined while they are not known. Asks the source for them. */
  async columnsOf(table: string): Promise<readonly string[] | undefined> {
    const { name, rule } = this.ruleOf(table);
    if (!this.formsOf(name, rule)) await this.shapes.ask(name);
    return this.formsOf(name, rule)?.[0]?.columns;
  }

  /** Whether a loaded row has another key than the one that it was asked for by; false where it does not tell. */
  contradicts(table: string, row: object, key: string, value: unknown): boolean {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const { name, rule } = this.ruleOf(table);
    if (rule.key.kind === 'function') return this.madeOthers(name, rule, key, value as Row);
    const forms = this.formsOf(name, rule);
    const made = forms && formFor(table, forms, Object.keys(row)).keyOf(value as Row);
    // Undefined where the value does not have the columns.
    return made !== undefined && made !== key;
  }

  /** What a key function makes of a part of a row, or of something else, tells nothing. */
  private madeOthers(name: TableName, rule: TableRule, key: string, row: Row): boolean {
    const columns = this.shapes.get(name)?.columns;
    if (!columns?.every((column) => Object.hasOwn(row, column))) return false;
    try {
      return !functionKeys(rule, row).includes(key);
    } catch {
      // The tail says so when it comes across such a row.
      return false;
    }
  }

  /** Null where a column of the key is NULL or undefined; undefined where the columns have to be known and are not. */
  private findKey(table: string, row: Row): string | null | undefined {
    const { name, rule } = this.ruleOf(table);
    if (rule.key.kind === 'function') return onlyKey(table, rule, row);
    const forms = this.formsOf(name, rule);
    return forms && (formFor(table, forms, Object.keys(row)).keyOf(row) ?? null);
  }

  private ruleOf(table: string): { name: TableName; rule: TableRule } {
    const dot = table.indexOf('.');
    const name = { schema: table.slice(0, dot), table: table.slice(dot + 1) };
    const rule = dot > 0 ? this.rules.find(name.schema, name.table) : undefined;
    if (rule) return { name, rule };
    const near = nearMisses(
      table,
      this.rules.all.map((each) => `${each.db}.${each.table}`),
    );
    throw new KeyUnknownError(
      `No entry of \`tables\` matches ${table}, so that nobody would invalidate its keys` +
        (near.length > 0
          ? `; did you mean ${near.join(', ')}?`
          : ': add one, or correct the name (db.table)'),
    );
  }

  /** Undefined for a key function, and where the columns have to be known and are not. */
  private formsOf(name: TableName, rule: TableRule): readonly KeyForm[] | undefined {
    const shape = this.shapes.get(name);
    if (shape) return this.bound(rule, shape);
    return needsShape(rule) ? undefined : this.bound(rule, this.namedShape(name, rule));
  }

  /** What the options alone tell of a table. The same object for the same name, so that it is bound once. */
  private namedShape(name: TableName, rule: TableRule): TableShape {
    const full = nameOf(name);
    const known = this.named.get(full);
    if (known) return known;
    if (this.named.size >= MAX_NAMED) this.named.clear();
    const shape = { ...name, columns: namedColumns(rule), primaryKey: [] };
    this.named.set(full, shape);
    return shape;
  }

  private bound(rule: TableRule, shape: TableShape): readonly KeyForm[] | undefined {
    if (this.forms.has(shape)) return this.forms.get(shape);
    try {
      const { forms } = bindKeys(rule, shape);
      this.forms.set(shape, forms);
      return forms;
    } catch (cause) {
      throw new KeyUnknownError(`No key can be made for the rows of ${nameOf(shape)}: ${messageOf(cause)}`, {
        cause,
      });
    }
  }
}

/** The form of just these columns, else the first one that they suffice for. */
function formFor(table: string, forms: readonly KeyForm[], given: readonly string[]): KeyForm {
  const usable = forms.filter(({ columns }) => columns.every((column) => given.includes(column)));
  const form = usable.find(({ columns }) => columns.length === given.length) ?? usable[0];
  if (form) return form;
  const wanted = forms.map(({ columns }) => columns.join(', ')).join(' or ');
  throw new KeyUnknownError(
    `A key of ${table} is made of ${wanted}${given.length > 0 ? `, not of ${given.join(', ')}` : ''}`,
  );
}

function onlyKey(table: string, rule: TableRule, row: Row): string {
  let made;
  try {
    made = functionKeys(rule, row);
  } catch (cause) {
    if (!(cause instanceof UnknownColumnError)) throw cause;
    throw new KeyUnknownError(
      `The key function of ${table} needs more of the row than was given: ${cause.message}`,
      { cause },
    );
  }
  const [key] = made;
  if (key !== undefined && made.length === 1) return key;
  throw new KeyUnknownError(
    `The key function of ${table} makes ${made.length} keys of this row instead of one`,
  );
}
