import type { Row } from '../change/change-event';
import type { TableName } from '../change/table-name';
import { columnText } from '../keys/key-text';

/** Names the row by its primary key, before and after; without one, all rows of the table are taken for one. */
export function rowIdentities(
  { schema, table, primaryKey }: TableName & { readonly primaryKey: readonly string[] },
  { before, after }: { readonly before: Row | null; readonly after: Row | null },
): string[] {
  const identities = [before, after].flatMap((row) =>
    row ? [`${schema}.${table}:${primaryKey.map((column) => columnText(row, column)).join('\0')}`] : [],
  );
  return [...new Set(identities)];
}
