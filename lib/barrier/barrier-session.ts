import type { ServerInfo } from '../mysql/control-connection';
import { ControlConnection } from '../mysql/control-connection';
import type { MysqlSourceOptions } from '../options/cacheflow.options';

/** A connection that may be kept waiting, and that locks nothing for long. */
export interface BarrierSession {
  readonly control: ControlConnection;
  readonly server: ServerInfo;
}

/** Rejects with mysql2's error, or with the signal's reason. */
export async function openBarrierSession(
  options: MysqlSourceOptions,
  signal: AbortSignal,
): Promise<BarrierSession> {
  // The least that the servers take.
  const control = await ControlConnection.open(options, signal, { lockWaitSeconds: 1 });
  try {
    return { control, server: await control.serverInfo() };
  } catch (error) {
    control.close();
    throw error;
  }
}
