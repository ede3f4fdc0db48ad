import type { Row } from '../change/change-event';
import { columnText } from './key-text';

/** A piece of a key: text that every key has there, or the value of a column. */
export type BoundPart = { readonly literal: string } | { readonly column: string };

/** Beyond these a key is taken for one that cannot be turned back. */
const MAX_SPLITS = 64;
const MAX_STEPS = 2_000;

/** One way in which a table makes a key of a row, with the table's names filled in; it also turns a key back. */
export class KeyForm {
  /** The columns in it, each once. */
  readonly columns: readonly string[];
  /** What every key of the form begins with. */
  readonly start: string;
  private readonly parts: readonly BoundPart[];
  /** The first characters of what stands between two columns; the empty text where nothing does. */
  private readonly separators: readonly string[];

  constructor(parts: readonly BoundPart[]) {
    this.parts = joinLiterals(parts);
    this.columns = [...new Set(this.parts.flatMap((part) => ('column' in part ? [part.column] : [])))];
    const [first] = this.parts;
    this.start = first && 'literal' in first ? first.literal : '';
    this.separators = separatorsOf(this.parts);
  }

  /** The key of a row; null where one of the columns is NULL, undefined where one is missing. */
  keyOf(row: Row): string | null | undefined {
    let key = '';
    for (const part of this.parts) {
      if ('literal' in part) key += part.literal;
      else {
        const text = columnText(row, part.column);
        if (typeof text !== 'string') return text;
        key += text;
      }
    }
    return key;
  }

  /**
   * Whether another row may have the same key, because a text of this one holds what separates the columns: `a:b` and
   * `c` make the same of it as `a` and `b:c`. Other kinds of values have a form in which no separator can be moved.
   */
  isAmbiguous(row: Row): boolean {
    if (this.separators.length === 0 || this.columns.length === 1) return false;
    return this.columns.some((column) => {
      const value = row[column];
      return typeof value === 'string' && this.separators.some((separator) => value.includes(separator));
    });
  }

  /**
   * All ways to read the key as texts of `columns`. Separators may be part of a value, so that there can be several;
   * undefined where there are too many to try.
   *
   * @param isPossible whether a column can have a value of this text
   */
  split(key: string, isPossible: (column: string, text: string) => boolean): string[][] | undefined {
    const found: string[][] = [];
    const texts = new Map<string, string>();
    let steps = 0;
    const read = (index: number, from: number): boolean => {
      if (++steps > MAX_STEPS) return false;
      const part = this.parts[index];
      if (!part) {
        if (from === key.length) found.push(this.columns.map((column) => texts.get(column) ?? ''));
        return found.length <= MAX_SPLITS;
      }
      if ('literal' in part) {
        return !key.startsWith(part.literal, from) || read(index + 1, from + part.literal.length);
      }
      const known = texts.get(part.column);
      if (known !== undefined) return !key.startsWith(known, from) || read(index + 1, from + known.length);
      for (const end of this.ends(index, key, from)) {
        const text = key.slice(from, end);
        if (!isPossible(part.column, text)) continue;
        texts.set(part.column, text);
        if (!read(index + 1, end)) return false;
        texts.delete(part.column);
      }
      return true;
    };
    return read(0, 0) ? found : undefined;
  }

  /** Where the value of a column may end: where what follows begins. */
  private *ends(index: number, key: string, from: number): Generator<number> {
    const next = this.parts[index + 1];
    if (!next) yield key.length;
    else if ('literal' in next) {
      for (let at = key.indexOf(next.literal, from); at >= 0; at = key.indexOf(next.literal, at + 1))
        yield at;
    } else {
      for (let at = from; at <= key.length; at++) yield at;
    }
  }
}

/** So that a literal is followed by a column, and never empty. */
function joinLiterals(parts: readonly BoundPart[]): BoundPart[] {
  const joined: BoundPart[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if ('literal' in part && last && 'literal' in last) {
      joined[joined.length - 1] = { literal: last.literal + part.literal };
    } else if (!('literal' in part) || part.literal !== '') joined.push(part);
  }
  return joined;
}

/** Where two separators overlap, the first character of one is in the text too; nothing at all is in every text. */
function separatorsOf(parts: readonly BoundPart[]): string[] {
  const separators: string[] = [];
  for (const [index, part] of parts.entries()) {
    if (!('column' in part) || index === 0) continue;
    const before = parts[index - 1];
    if (before && 'column' in before) separators.push('');
    else if (before && index > 1) separators.push(before.literal.charAt(0));
  }
  return separators;
}
