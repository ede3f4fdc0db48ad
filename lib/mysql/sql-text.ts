import { escape, escapeId } from 'mysql2';
import type { TableName } from '../change/table-name';

/** An identifier as SQL text, for a session as `sessionSetup` makes it. */
export function quoteName(name: string): string {
  return escapeId(name, true);
}

/** A table's full name as SQL text. */
export function quoteTable({ schema, table }: TableName): string {
  return `${quoteName(schema)}.${quoteName(table)}`;
}

/** A text as SQL text, for a session as `sessionSetup` makes it: with backslashes. */
export function quoteText(text: string): string {
  return escape(text);
}

/** The name that stands in backticks, or in double quotes under ANSI_QUOTES; as it is where it stands in neither. */
export function unquoteName(text: string): string {
  const quote = text.charAt(0);
  if ((quote !== '`' && quote !== '"') || text.length < 2 || !text.endsWith(quote)) return text;
  return text.slice(1, -1).replaceAll(quote + quote, quote);
}
