import { sqlErrorCode } from '../mysql/control-connection';
import { quoteTable } from '../mysql/sql-text';
import { sleep } from '../support/abort';
import type { BarrierSession } from './barrier-session';
import type { SourceTarget, Witness } from './barrier-target';
import type { CommitMark, WitnessRow } from '../change/stream';

const FIRST_PAUSE_MILLIS = 1;
const LONGEST_PAUSE_MILLIS = 10;
/**
 * A row that differs from its before image decides nearly always, within milliseconds. Only later is its lock tried:
 * for the blink of an eye that takes the row from an application that reads it with SKIP LOCKED or NOWAIT.
 */
const LOCK_AFTER_MILLIS = 20;
/** Where nothing can be asked: longer than a commit takes that nothing holds up. */
const BLIND_PAUSE_MILLIS = 100;

/** The server could not answer for the moment; nothing is wrong with the connection. */
const NOT_YET = new Set([
  'ER_LOCK_NOWAIT',
  'ER_LOCK_WAIT_TIMEOUT',
  'ER_LOCK_DEADLOCK',
  'ER_TABLE_DEF_CHANGED',
  'ER_QUERY_TIMEOUT',
  'ER_STATEMENT_TIMEOUT',
]);
/** Whoever took the table or column away had to wait until the transaction was over. */
const GONE = new Set(['ER_NO_SUCH_TABLE', 'ER_BAD_DB_ERROR', 'ER_BAD_FIELD_ERROR']);

/** Waits until transactions after the last one with a GTID can be read. Rejects with the connection's error or the signal's reason. */
export async function untilRowsVisible(
  session: BarrierSession,
  target: SourceTarget,
  signal: AbortSignal,
): Promise<void> {
  const { known, tables, unproven, untold } = target;
  if (known && 'witness' in known) await untilWitnessed(session, known, signal);
  for (const table of tables) {
    const sql = `SELECT 1 FROM ${quoteTable(table)} LIMIT 0`;
    await until(async () => (await ask(session, sql)) !== 'not-yet', signal);
  }
  if (!unproven) return;
  if (session.server.flavor === 'mariadb') {
    await until(async () => (await committed(session, unproven)) !== 'no', signal);
    if (!untold && (await committed(session, unproven)) === 'yes') return;
  }
  await sleep(BLIND_PAUSE_MILLIS, signal);
}

async function untilWitnessed(
  session: BarrierSession,
  { witness, mark }: Witness,
  signal: AbortSignal,
): Promise<void> {
  const start = performance.now();
  await until(async () => {
    if (await isChanged(session, witness)) return true;
    // Nothing that can be compared was changed.
    const undecided = witness.action === 'update' && witness.before.length === 0;
    if (!undecided && performance.now() - start < LOCK_AFTER_MILLIS) return false;
    if (await isFree(session, witness)) return true;
    if (session.server.flavor !== 'mariadb' || mark.apart) return false;
    return (await committed(session, mark)) === 'yes';
  }, signal);
}

/** Whether the row no longer reads as it did before the change. */
export async function isChanged(session: BarrierSession, witness: WitnessRow): Promise<boolean> {
  const columns = witness.before.map(({ expression }, i) => `${expression} AS c${i}`);
  const rows = await ask(session, `SELECT ${columns.join(', ') || '1'} ${fromWhere(witness)}`);
  if (typeof rows === 'string') return rows === 'gone';
  const [row] = rows;
  if (witness.action === 'insert') return row !== undefined;
  return row === undefined || witness.before.some(({ text }, i) => row[`c${i}`] !== text);
}

/** Whether nobody holds the row: the transaction that changed it is over. Never waits where the server can say so. */
export async function isFree(session: BarrierSession, witness: WitnessRow): Promise<boolean> {
  const { flavor, version } = session.server;
  const old = flavor === 'mysql' && /^[5-7]\./.test(version);
  // MySQL 5.7 has no NOWAIT; it waits for a second there, see innodb_lock_wait_timeout.
  const lock =
    flavor === 'mariadb' ? 'LOCK IN SHARE MODE NOWAIT' : old ? 'LOCK IN SHARE MODE' : 'FOR SHARE NOWAIT';
  return (await ask(session, `SELECT 1 ${fromWhere(witness)} ${lock}`)) !== 'not-yet';
}

/**
 * Whether MariaDB has committed, in the engines, what stands at this place of the binlog. The two status variables
 * change with each group of commits, under the lock that also makes the group readable (START TRANSACTION WITH
 * CONSISTENT SNAPSHOT is made of them). 'unknown': a new file was begun, which happens before the last group of the
 * old one is committed.
 */
async function committed(session: BarrierSession, mark: CommitMark): Promise<'yes' | 'no' | 'unknown'> {
  const rows = await session.control.query("SHOW STATUS LIKE 'Binlog_snapshot_%'");
  const values = new Map(rows.map((row) => [String(row['Variable_name']).toLowerCase(), row['Value']]));
  if (values.get('binlog_snapshot_file') !== mark.file) return 'unknown';
  return Number(values.get('binlog_snapshot_position')) >= mark.offset ? 'yes' : 'no';
}

async function until(isSo: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  let pause = FIRST_PAUSE_MILLIS;
  while (!(await isSo())) {
    await sleep(pause, signal);
    pause = Math.min(pause * 1.5, LONGEST_PAUSE_MILLIS);
  }
}

async function ask(
  session: BarrierSession,
  sql: string,
): Promise<readonly Record<string, unknown>[] | 'not-yet' | 'gone'> {
  try {
    return await session.control.query(sql);
  } catch (error) {
    const code = sqlErrorCode(error) ?? '';
    if (NOT_YET.has(code)) return 'not-yet';
    if (GONE.has(code)) return 'gone';
    throw error;
  }
}

function fromWhere({ table, where }: WitnessRow): string {
  return `FROM ${quoteTable(table)} WHERE ${where.join(' AND ')}`;
}
