import type { TableName } from '../change/table-name';
import type { BoundPart } from './key-form';
import { KeyForm } from './key-form';
import { escapeName, escapePattern } from './patterns';

/** A piece of a template: text, the value of a column, or a name of the table. */
export type KeyPart = BoundPart | { readonly name: 'schema' | 'table' };

/** How a key is put together: `profile:{user_id}`, or the default `{$db}:{$table}:{a}:{b}`. */
export class KeyTemplate {
  /** The columns it names. */
  readonly columns: readonly string[];

  private constructor(private readonly parts: readonly KeyPart[]) {
    this.columns = parts.flatMap((part) => ('column' in part ? [part.column] : []));
  }

  /** Takes a template of the options apart. Throws a SyntaxError that says what is wrong with it. */
  static parse(source: string): KeyTemplate {
    const template = new KeyTemplate(parse(source));
    if (template.columns.length === 0) {
      throw new SyntaxError(
        `the template "${source}" names no column, so that all rows would have the same key`,
      );
    }
    return template;
  }

  /** The default key of a table, made of these columns. */
  static ofColumns(columns: readonly string[]): KeyTemplate {
    const parts = columns.flatMap((column): KeyPart[] => [{ literal: ':' }, { column }]);
    return new KeyTemplate([{ name: 'schema' }, { literal: ':' }, { name: 'table' }, ...parts]);
  }

  /** The template for one table. */
  bind(prefix: string, table: TableName): KeyForm {
    const parts = this.parts.map((part) => ('name' in part ? { literal: table[part.name] } : part));
    return new KeyForm([{ literal: prefix }, ...parts]);
  }

  /** A Redis pattern that every key of the template matches, but for the prefix; `*` in a name stands for any text. */
  pattern(table: TableName): string {
    return this.parts
      .map((part) => {
        if ('column' in part) return '*';
        return 'literal' in part ? escapePattern(part.literal) : escapeName(table[part.name]);
      })
      .join('');
  }
}

const TOKEN = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g;

function parse(source: string): KeyPart[] {
  const parts: KeyPart[] = [];
  let literal = '';
  let last = 0;
  for (const match of source.matchAll(TOKEN)) {
    literal += source.slice(last, match.index);
    last = match.index + match[0].length;
    const inner = match[1];
    if (match[0] === '{{' || match[0] === '}}') literal += match[0][0];
    else if (inner === undefined || inner.trim() === '') {
      throw new SyntaxError(
        `the template "${source}" has a brace without a column name at character ${match.index + 1}; literal braces are written {{ and }}`,
      );
    } else {
      if (literal !== '') parts.push({ literal });
      literal = '';
      if (inner === '$db') parts.push({ name: 'schema' });
      else if (inner === '$table') parts.push({ name: 'table' });
      else parts.push({ column: inner });
    }
  }
  literal += source.slice(last);
  if (literal !== '') parts.push({ literal });
  return parts;
}
