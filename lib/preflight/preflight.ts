import type { ServerInfo } from '../binlog/control-connection';
import { ControlConnection } from '../binlog/control-connection';
import type { CacheflowConfig } from '../cacheflow.config';
import { checkGrants } from './check-grants';
import { checkSettings } from './check-settings';
import { checkTables } from './check-tables';
import type { PreflightResult } from './preflight-result';

/** Checks the source's settings, our grants and the keys of all watched tables that exist. */
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
  );
  checkSettings(settings, result);
  if (settings.get('log_bin') !== 'OFF') await checkGrants(control, server, result);
  await checkTables(control, server, config, settings.get('binlog_row_image') ?? 'FULL', result);
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
