import { sqlErrorCode } from '../mysql/control-connection';

/** What another attempt may change: SQLSTATE 08 (connection), 40 (rolled back) and 70 (interrupted). */
const PASSING_STATE = /^(08|40|70)/;
const PASSING = new Set(['ER_LOCK_WAIT_TIMEOUT', 'ER_LOCK_NOWAIT']);

/** Whether the server answered that something is wrong with what was asked for, and would answer so again. */
export function isAnswer(error: unknown): error is Error {
  const { sqlState } = (error ?? {}) as { sqlState?: unknown };
  if (typeof sqlState !== 'string' || PASSING_STATE.test(sqlState)) return false;
  return !PASSING.has(sqlErrorCode(error) ?? '');
}
