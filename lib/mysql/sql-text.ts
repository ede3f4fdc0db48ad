import { escape, escapeId } from 'mysql2';

/** An identifier as SQL text, for a session as `sessionSetup` makes it. */
export function quoteName(name: string): string {
  return escapeId(name, true);
}

/** A table's full name as SQL text. */
export function quoteTable({ schema, table }: { readonly schema: string; readonly table: string }): string {
  return `${quoteName(schema)}.${quoteName(table)}`;
}

/** A text as SQL text, for a session as `sessionSetup` makes it: with backslashes. */
export function quoteText(text: string): string {
  return escape(text);
}
