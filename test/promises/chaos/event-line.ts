import type { ChangeEvent } from '../../../lib';
import { DB, TABLES, primaryKeyText } from './tables';

/** Where the call began, by a clock that all processes of the machine share, in microseconds. */
export function commonClock(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

/**
 * One call of a handler: the identity of its change, when the call began, the transaction and the row within it, and the
 * rows that it is about, with tabs in between.
 *
 * The identity: for an insert or update the statement that made the row what it is, for a delete the one that had made
 * it what it was.
 */
export function eventLine(
  { table: name, before, after, gtid, position }: Omit<ChangeEvent, 'action' | 'schema' | 'timestamp'>,
  begunAt: number,
): string {
  const table = TABLES.find((each) => each.name === name);
  const row = after ?? before;
  if (!row) throw new Error(`An event of ${DB}.${name} makes no sense`);
  // A sequence, for example.
  if (!table) return `n ${name}`;
  const change = `${String(row['change_id'])} ${primaryKeyText(table, row)}`;
  const identity = after ? `w ${change}` : `d ${name} ${change}`;
  // Two where a key column changed.
  const rows = new Set(
    [before, after].flatMap((each) => (each ? `${name}:${primaryKeyText(table, each)}` : [])),
  );
  return [identity, begunAt, gtid ?? '', position.row, [...rows].join()].join('\t');
}
