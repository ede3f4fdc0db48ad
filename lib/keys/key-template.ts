import type { Row } from '../change/change-event';

/** What a key is made for. */
export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** A piece of a template: text, the value of a column, or a name of the table. */
export type KeyPart =
  { readonly literal: string } | { readonly column: string } | { readonly name: 'schema' | 'table' };

/** A template such as `profile:{user_id}`, taken apart once. */
export class KeyTemplate {
  /** The columns it names. */
  readonly columns: readonly string[];
  /** What stands between each two columns. */
  readonly separators: readonly string[];
  readonly parts: readonly KeyPart[];

  /** Throws a SyntaxError that says what is wrong with the template. */
  constructor(readonly source: string) {
    this.parts = parse(source);
    this.columns = this.parts.flatMap((part) => ('column' in part ? [part.column] : []));
    this.separators = separatorsOf(this.parts);
    if (this.columns.length === 0) {
      throw new SyntaxError(
        `the template "${source}" names no column, so that all rows would have the same key`,
      );
    }
  }

  /** The key of a row; null when a named column is NULL, undefined when one is absent from the image. */
  render(row: Row, name: TableName): string | null | undefined {
    let key = '';
    for (const part of this.parts) {
      if ('literal' in part) key += part.literal;
      else if ('name' in part) key += name[part.name];
      else {
        const text = columnText(row, part.column);
        if (typeof text !== 'string') return text;
        key += text;
      }
    }
    return key;
  }

  /** A Redis pattern that every key of the template matches. */
  pattern(name: TableName): string {
    return this.parts
      .map((part) => {
        if ('column' in part) return '*';
        return 'literal' in part ? escapePattern(part.literal) : escapeName(name[part.name]);
      })
      .join('');
  }
}

function separatorsOf(parts: readonly KeyPart[]): string[] {
  const separators: string[] = [];
  let between: string | undefined;
  for (const part of parts) {
    if ('column' in part) {
      if (between !== undefined) separators.push(between);
      between = '';
    } else if (between !== undefined && 'literal' in part) between += part.literal;
  }
  return separators;
}

/**
 * A value as part of a key: binary as lowercase hex, `Date` as ISO 8601, JSON as its text, all else as it prints.
 * NULL stays null and an absent column undefined.
 */
export function keyText(value: unknown): string | null | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (value === null || value === undefined) return value;
  if (Buffer.isBuffer(value)) return value.toString('hex');
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '0000-00-00' : value.toISOString();
  return typeof value === 'object' ? JSON.stringify(value) : String(value as bigint | boolean);
}

/** The text of a column; undefined where the row does not have it, whatever Object.prototype may have of that name. */
export function columnText(row: Row, column: string): string | null | undefined {
  return Object.hasOwn(row, column) ? keyText(row[column]) : undefined;
}

/** Escapes what has a meaning in the patterns of SCAN MATCH. */
export function escapePattern(literal: string): string {
  return literal.replace(/[\\*?[\]]/g, '\\$&');
}

/** As `escapePattern` for the name of a table or database in the options, where `*` keeps its meaning. */
export function escapeName(name: string): string {
  return name.split('*').map(escapePattern).join('*');
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
