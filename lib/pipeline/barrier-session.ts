import type { ServerInfo } from '../binlog/control-connection';
import { ControlConnection } from '../binlog/control-connection';
import type { MysqlSourceOptions } from '../cacheflow.options';

/** A connection that may be kept waiting, set up to read what is committed and to lock nothing for long. */
export interface BarrierSession {
  readonly control: ControlConnection;
  readonly server: ServerInfo;
}

/** Rejects with mysql2's error, or with the signal's reason. */
export async function openBarrierSession(
  options: MysqlSourceOptions,
  signal: AbortSignal,
): Promise<BarrierSession> {
  const control = await ControlConnection.open(options, signal);
  try {
    // A server may be set up to change it (init_connect), and quoted text depends on both.
    await control.query('SET NAMES utf8mb4');
    await control.query("SET SESSION sql_mode = '', time_zone = '+00:00'");
    // Each statement sees what is committed by then, and a locking read locks no gap.
    await control.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    // Seconds; the least that the servers take.
    await control.query('SET SESSION autocommit = 1, lock_wait_timeout = 1, innodb_lock_wait_timeout = 1');
    return { control, server: await control.serverInfo() };
  } catch (error) {
    control.close();
    throw error;
  }
}
