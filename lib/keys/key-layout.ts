import type { TableShape } from '../change/stream';
import type { TableRule } from './table-rules';

type LayoutPart = { readonly literal: string } | { readonly column: string };

/** Beyond these a key is taken for one that cannot be turned back. */
const MAX_SPLITS = 64;
const MAX_STEPS = 2_000;

/** How one of a table's keys is put together, with the table's names filled in: it can be turned back into columns. */
export class KeyLayout {
  /** The columns in it, each once. */
  readonly columns: readonly string[];
  /** What every key of the layout begins with. */
  readonly start: string;

  constructor(private readonly parts: readonly LayoutPart[]) {
    this.columns = [...new Set(parts.flatMap((part) => ('column' in part ? [part.column] : [])))];
    const [first] = parts;
    this.start = first && 'literal' in first ? first.literal : '';
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

/**
 * The layouts of a table's keys; undefined for a key function, which cannot be turned around.
 *
 * @param columns those of the default key
 */
export function keyLayoutsOf(
  rule: TableRule,
  shape: TableShape,
  columns: readonly string[] | undefined,
): readonly KeyLayout[] | undefined {
  const { key, prefix } = rule;
  switch (key.kind) {
    case 'function':
      return undefined;
    case 'default': {
      const parts: LayoutPart[] = [{ literal: `${prefix}${shape.schema}:${shape.table}:` }];
      for (const [index, column] of (columns ?? []).entries()) {
        if (index > 0) parts.push({ literal: ':' });
        parts.push({ column });
      }
      return [new KeyLayout(parts)];
    }
    case 'templates':
      return key.templates.map((template) => {
        const parts = template.parts.map((part) => ('name' in part ? { literal: shape[part.name] } : part));
        return new KeyLayout(joinLiterals([{ literal: prefix }, ...parts]));
      });
  }
}

function joinLiterals(parts: readonly LayoutPart[]): LayoutPart[] {
  const joined: LayoutPart[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if ('literal' in part && last && 'literal' in last) {
      joined[joined.length - 1] = { literal: last.literal + part.literal };
    } else if (!('literal' in part) || part.literal !== '') joined.push(part);
  }
  return joined;
}
