import { setTimeout as sleep } from 'node:timers/promises';
import type { Journal } from '../journal';
import { isConnectionError } from '../sql-session';
import type { SqlSession } from '../sql-session';
import type { Statement } from './row-statements';
import type { Worker, WriterTools } from './writer';

/** Refusals that such a load brings about; anything else is a mistake of the harness. */
const EXPECTED = new Set([
  'ER_DUP_ENTRY',
  'ER_LOCK_DEADLOCK',
  'ER_LOCK_WAIT_TIMEOUT',
  'ER_TABLE_DEF_CHANGED',
]);
/** One that keeps its locks for a while. */
const SLOW_CHANCE = 0.15;
const SLOW_MILLIS = 20;

/** A transaction as SQL. */
export interface Transaction {
  /** Those whose rows it may change. */
  readonly statements: readonly Statement[];
  /** Everything but its end, BEGIN included. */
  readonly body: string;
  readonly ending: string;
  /** For the report of a finding. */
  readonly outcome: string;
}

/** False where the server refused it and it was rolled back; rejects when the connection is gone. */
export async function runTransaction(
  { journal, counts }: Pick<WriterTools, 'journal' | 'counts'>,
  { session, random }: Pick<Worker, 'session' | 'random'>,
  { statements, body, ending, outcome }: Transaction,
): Promise<boolean> {
  heat(journal, statements);
  let isEnding = false;
  try {
    if (random.chance(SLOW_CHANCE)) {
      await session.query(body);
      await sleep(random.int(0, SLOW_MILLIS));
      heat(journal, statements);
      isEnding = true;
      await session.query(ending);
    } else {
      isEnding = true;
      await session.query(`${body}; ${ending}`);
    }
  } catch (error) {
    if (isConnectionError(error)) {
      record(journal, statements, isEnding ? `lost its connection, maybe ${outcome}` : 'lost its connection');
      throw error;
    }
    await refuse(session, error);
    counts.rollbacks++;
    return false;
  }
  heat(journal, statements);
  record(journal, statements, outcome);
  return true;
}

/** Rolls back what the server refused. Rethrows what nobody expects. */
async function refuse(session: SqlSession, error: unknown): Promise<void> {
  await session.query('ROLLBACK');
  if (!isExpected(error)) throw error;
}

/** Whether such a load may bring this about. */
export function isExpected(error: unknown): boolean {
  return EXPECTED.has((error as { code?: string }).code ?? '');
}

/** Readers chase rows that are being changed. */
export function heat(journal: Journal, statements: readonly Statement[]): void {
  for (const { table, numbers } of statements) journal.heat(table.name, numbers);
}

export function record(journal: Journal, statements: readonly Statement[], outcome: string): void {
  for (const { table, numbers, text, changeId } of statements)
    journal.note(table.name, numbers, `${outcome}: ${text} (change ${changeId})`);
}

export function sqlOf(statements: readonly Statement[]): string {
  return statements.map(({ sql }) => sql).join('; ');
}

export function rowsOf(statements: readonly Statement[]): number {
  return statements.reduce((sum, { numbers }) => sum + numbers.length, 0);
}
