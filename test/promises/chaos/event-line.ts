import type { ChangeEvent } from '../../../lib';
import { DB, TABLES, primaryKeyText } from './tables';

/**
 * The identity of a change: for an insert or update the statement that made the row what it is, for a delete the
 * one that had made it what it was.
 */
export function eventLine({
  table: name,
  before,
  after,
}: Pick<ChangeEvent, 'table' | 'before' | 'after'>): string {
  const table = TABLES.find((each) => each.name === name);
  const row = after ?? before;
  if (!row) throw new Error(`An event of ${DB}.${name} makes no sense`);
  // A sequence, for example.
  if (!table) return `n ${name}`;
  const change = `${String(row['change_id'])} ${primaryKeyText(table, row)}`;
  return after ? `w ${change}` : `d ${name} ${change}`;
}
