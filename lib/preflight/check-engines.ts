import type { Inspection } from './inspection';
import { nameList } from './name-list';

/** Engines that keep rows where others change them, too: on another server, in files, in a cluster. */
const ELSEWHERE = /^(federated|spider|connect|s3|columnstore|ndbcluster|oqgraph|sphinx|cassandra)$/i;

/** Whether the binlog holds all changes of the watched tables' rows, by where their engines keep them. */
export function checkEngines({ config, existing, result }: Inspection): void {
  const { rules } = config;
  const tables = existing.filter(
    ({ schema, table, engine }) => ELSEWHERE.test(engine) && rules.find(schema, table),
  );
  if (tables.length === 0) return;
  const names = tables.map(({ schema, table, engine }) => `${schema}.${table} (${engine})`);
  result.warnings.push(
    `The rows of ${nameList(names)} are not kept by this server alone: what changes them elsewhere is not in its ` +
      'binlog, and their keys stay',
  );
}
