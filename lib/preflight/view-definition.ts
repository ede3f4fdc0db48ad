import { quoteTable, unquoteName } from '../mysql/sql-text';
import type { TableName } from '../change/table-name';

const NAME = '`(?:[^`]|``)+`';
/** Texts, and names before them: these may hold a quote. */
const TEXTS = new RegExp(`(${NAME})|'(?:[^'\\\\]|\\\\.|'')*'`, 'gs');
/** They hold a FROM of their own: `extract(year from ...)`, `trim(both '' from ...)`. */
const FUNCTIONS = /\b(extract\(\w+ |trim\((?:both|leading|trailing) [^()]*?)\bfrom\b/gi;
const SOURCE = new RegExp(`\\b(?:from|join|straight_join)\\s*(?:\\(\\s*)*(${NAME})\\.(${NAME})(?!\\.)`, 'gi');

/**
 * The tables and views that a view reads from, by its VIEW_DEFINITION. Both servers write it in one form, whatever
 * the view was made of: all names quoted, those of tables with their database, joins without commas.
 */
export function sourcesOf(definition: string): TableName[] {
  const text = definition
    .replace(TEXTS, (_all, name: string | undefined) => name ?? "''")
    .replace(FUNCTIONS, '$1');
  const sources = new Map<string, TableName>();
  for (const [, schema = '', table = ''] of text.matchAll(SOURCE)) {
    const source = { schema: unquoteName(schema), table: unquoteName(table) };
    sources.set(quoteTable(source), source);
  }
  return [...sources.values()];
}
