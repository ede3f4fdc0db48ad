import type { ServerInfo } from '../mysql/control-connection';
import { ControlConnection } from '../mysql/control-connection';
import type { CacheflowConfig } from '../config/cacheflow.config';
import { checkEngines } from './check-engines';
import { checkFilters } from './check-filters';
import { checkGrants } from './check-grants';
import { checkLock } from './check-lock';
import { checkMerge } from './check-merge';
import { checkReplica } from './check-replica';
import { checkSettings } from './check-settings';
import { checkTables } from './check-tables';
import { listTables } from '../mysql/existing-tables';
import type { Inspection } from './inspection';
import type { PreflightResult } from './preflight-result';

/** Checks the source's settings, our grants, what its binlog leaves out, and the keys of all watched tables that exist. */
export async function preflight(
  control: ControlConnection,
  server: ServerInfo,
  config: CacheflowConfig,
): Promise<PreflightResult> {
  const result: PreflightResult = { faults: [], warnings: [], shapes: [] };
  const settings = await control.variables(
    'log_bin',
    'binlog_format',
    'binlog_row_image',
    'binlog_row_metadata',
    'binlog_transaction_compression',
    'binlog_row_value_options',
    'binlog_order_commits',
    'log_replica_updates',
    'log_slave_updates',
    'lower_case_table_names',
    'wsrep_on',
    'wsrep_provider',
  );
  const existing = await listTables(control);
  const inspection: Inspection = { control, server, config, settings, existing, result };
  checkSettings(inspection);
  await checkLock(inspection);
  if (settings.get('log_bin') !== 'OFF') {
    await checkGrants(inspection);
    // Who may not see the status of the binlog cannot be told more about it.
    if (result.position) await checkFilters(inspection);
    if (result.position) await checkReplica(inspection);
  }
  await checkTables(inspection);
  await checkMerge(inspection);
  checkEngines(inspection);
  return result;
}

/** As `preflight`, over a connection of its own. Rejects with the error of a source that cannot be reached. */
export async function lookAtSource(config: CacheflowConfig, signal: AbortSignal): Promise<PreflightResult> {
  const control = await ControlConnection.open(config.mysql, signal);
  try {
    return await preflight(control, await control.serverInfo(), config);
  } finally {
    control.close();
  }
}
