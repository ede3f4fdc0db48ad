import type { BinlogPlace } from '../change/position';
import { sqlErrorCode } from '../mysql/control-connection';
import { sleep } from '../support/abort';
import { untilRowsVisible } from './barrier-rows';
import type { BarrierSession } from './barrier-session';
import type { ReplicaTarget, SourceTarget } from './barrier-target';

/** Seconds that the server holds one question; shorter than the time after which a question counts as lost. */
const WAIT_SECONDS = 5;

/** Waits until the source itself shows the transactions. */
export async function untilSourceShows(
  session: BarrierSession,
  target: SourceTarget,
  signal: AbortSignal,
): Promise<void> {
  if (target.known && 'gtid' in target.known) await untilCommitted(session, target.known.gtid, signal);
  await untilRowsVisible(session, target, signal);
}

/** Waits until a replica of the source shows the transactions. */
export async function untilReplicaShows(
  session: BarrierSession,
  target: ReplicaTarget,
  signal: AbortSignal,
): Promise<void> {
  const { flavor, gtid } = session.server;
  const byGtid = flavor === 'mysql' && gtid && target.gtidSet !== undefined;
  if (byGtid) await untilExecuted(session, target.gtidSet as string, signal);
  if (byGtid && target.allHaveGtids) return;
  if (flavor === 'mariadb' && target.domainGtids !== undefined) {
    // It looks at one domain after the other; each call waits for all of them.
    await untilZero(session, 'SELECT MASTER_GTID_WAIT(?, ?) AS left_over', [target.domainGtids], signal);
    return;
  }
  await untilApplied(session, target.last, signal);
}

/** How often is looked whether a transaction is executed, where nobody can wait for it. */
const POLL_MILLIS = 2;

/** As `untilExecuted`, for all transactions up to this one: rejects when their order in the binlog does not count. */
async function untilCommitted(session: BarrierSession, gtid: string, signal: AbortSignal): Promise<void> {
  const sql =
    'SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?) AS left_over, @@GLOBAL.binlog_order_commits AS is_ordered';
  // A server that no longer has GTIDs (gtid_mode) refuses to wait for one.
  const { is_ordered: isOrdered } = session.server.gtid
    ? await untilZero(session, sql, [gtid], signal)
    : await untilCounted(session, gtid, signal);
  if (Number(isOrdered) === 1) return;
  throw new Error('it makes transactions readable out of order: SET GLOBAL binlog_order_commits = ON');
}

async function untilCounted(
  { control }: BarrierSession,
  gtid: string,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const sql =
    'SELECT GTID_SUBSET(?, @@GLOBAL.gtid_executed) AS is_executed, @@GLOBAL.binlog_order_commits AS is_ordered';
  for (;;) {
    const [row] = await control.query(sql, [gtid]);
    if (row && Number(row['is_executed']) === 1) return row;
    await sleep(POLL_MILLIS, signal);
  }
}

/** MySQL with GTIDs: a transaction's GTID counts as executed once the engine has committed it. */
async function untilExecuted(session: BarrierSession, gtidSet: string, signal: AbortSignal): Promise<void> {
  await untilZero(session, 'SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?) AS left_over', [gtidSet], signal);
}

/** Asks a function that gives 0 when what was waited for is there, and something else when the time is over. */
async function untilZero(
  { control }: BarrierSession,
  sql: string,
  values: readonly unknown[],
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  for (;;) {
    const [row] = await control.query(sql, [...values, WAIT_SECONDS]);
    if (row && row['left_over'] !== null && Number(row['left_over']) === 0) return row;
    signal.throwIfAborted();
  }
}

/** A replica without GTIDs: the place in the source's binlog up to which it has applied everything. */
async function untilApplied(
  { control }: BarrierSession,
  place: BinlogPlace,
  signal: AbortSignal,
): Promise<void> {
  const values = [place.file, place.offset, WAIT_SECONDS];
  for (;;) {
    const [row] = await control.query('SELECT SOURCE_POS_WAIT(?, ?, ?) AS events', values).catch((error) => {
      // MySQL before 8.0.26, and MariaDB.
      if (!/^ER_(SP_DOES_NOT_EXIST|PARSE_ERROR|FUNCTION_NOT_DEFINED)$/.test(sqlErrorCode(error) ?? '')) {
        throw error;
      }
      return control.query('SELECT MASTER_POS_WAIT(?, ?, ?) AS events', values);
    });
    const events = row?.['events'];
    if (events === null || events === undefined) {
      throw new Error('it does not apply what the source sends: START REPLICA there');
    }
    if (Number(events) >= 0) return;
    signal.throwIfAborted();
  }
}
