import { randomUUID } from 'node:crypto';
import { messageOf } from '../errors/cacheflow.error';
import { sqlErrorCode } from '../mysql/control-connection';
import type { Inspection } from './inspection';

/** Whether the source gives locks, by which a group of processes elects its leader. */
export async function checkLock({ control, config, result }: Inspection): Promise<void> {
  if (config.election !== 'source') return;
  const name = `cacheflow:check:${randomUUID()}`;
  try {
    await control.query('SELECT GET_LOCK(?, 0)', [name]);
    await control.query('SELECT RELEASE_LOCK(?)', [name]);
  } catch (error) {
    const { sqlState, fatal } = error as { sqlState?: unknown; fatal?: unknown };
    if (typeof sqlState !== 'string' || fatal === true || sqlErrorCode(error) === 'ER_QUERY_INTERRUPTED')
      throw error;
    result.faults.push({
      subject: 'election',
      problem: `the source refuses GET_LOCK (${messageOf(error)}), by which processes decide which of them reads its binlog`,
      fix: "Set election: 'redis' (as for Galera in strict mode), or election: 'none' where one process runs alone",
    });
  }
}
