import type { ControlConnection, ServerInfo } from '../mysql/control-connection';
import { sqlErrorCode } from '../mysql/control-connection';
import { currentUser, isDenied } from '../mysql/grants';
import type { Inspection } from './inspection';

/** Whether the source logs what it applies of other servers' changes, in case that it gets any. */
export async function checkReplica({ control, server, settings, result }: Inspection): Promise<void> {
  const { faults, warnings } = result;
  const option = settings.has('log_replica_updates') ? 'log_replica_updates' : 'log_slave_updates';
  // MariaDB's default, which is right for a server that gets no changes from elsewhere.
  if (settings.get(option) !== 'OFF') return;
  const cure = `Set ${option} = ON (my.cnf, [mysqld]) and restart the server`;
  if (isGaleraNode(settings)) {
    faults.push({
      subject: option,
      problem: 'it is OFF on a node of a Galera cluster, whose binlog then lacks what the other nodes write',
      fix: cure,
    });
    return;
  }
  switch (await isReplica(control, server)) {
    case 'yes':
      faults.push({
        subject: option,
        problem: 'it is OFF on a replica, whose binlog then lacks what it gets from its source',
        fix:
          `${cure}, or set \`mysql\` to the address of that source. ` +
          `If the server is no replica any more: ${server.flavor === 'mysql' ? 'RESET REPLICA ALL' : 'RESET SLAVE ALL'}`,
      });
      return;
    case 'unknown':
      warnings.push(
        `${option} is OFF, and the user may not see whether the server is a replica: what one applies is not in its ` +
          `binlog then, and keys stay. GRANT ${server.flavor === 'mysql' ? 'REPLICATION CLIENT' : 'SLAVE MONITOR'} ON *.* ` +
          `TO ${await currentUser(control)} lets this be checked`,
      );
      return;
    case 'no':
  }
}

/** MariaDB may have wsrep_on without a cluster: it needs a provider. */
function isGaleraNode(settings: ReadonlyMap<string, string>): boolean {
  const provider = settings.get('wsrep_provider') ?? '';
  return settings.get('wsrep_on') === 'ON' && provider !== '' && provider !== 'none';
}

async function isReplica(control: ControlConnection, server: ServerInfo): Promise<'yes' | 'no' | 'unknown'> {
  try {
    return (await replicaStatus(control, server)).length > 0 ? 'yes' : 'no';
  } catch (error) {
    if (!isDenied(error)) throw error;
    return server.flavor === 'mariadb' ? isReplicaByTraces(control) : 'unknown';
  }
}

/**
 * MariaDB wants a grant of its own for the status, but shows anybody how many replications run, what was replicated
 * last, and whether the default one was ever set up. Without any of them it is a server as most are, and not worth a
 * warning to all who gave the least grants.
 */
async function isReplicaByTraces(control: ControlConnection): Promise<'yes' | 'no' | 'unknown'> {
  const rows = await control.query(
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('Slaves_running', 'Slave_heartbeat_period')",
  );
  const status = new Map(rows.map((row) => [row['Variable_name'], Number(row['Value'])]));
  if ((status.get('Slaves_running') ?? 0) > 0) return 'yes';
  const replicated = (await control.variables('gtid_slave_pos')).get('gtid_slave_pos');
  // 0 where nothing was ever set up; RESET SLAVE ALL does not take it back.
  return replicated || (status.get('Slave_heartbeat_period') ?? 0) > 0 ? 'unknown' : 'no';
}

/** One row for each source that the server is set up to replicate from, whether or not it does so now. */
async function replicaStatus(control: ControlConnection, server: ServerInfo): Promise<readonly unknown[]> {
  // Without ALL it is MariaDB's default connection only.
  if (server.flavor === 'mariadb') return control.query('SHOW ALL SLAVES STATUS');
  try {
    return await control.query('SHOW REPLICA STATUS');
  } catch (error) {
    // It came in MySQL 8.0.22; the other one went away in 8.4.
    if (sqlErrorCode(error) !== 'ER_PARSE_ERROR') throw error;
    return control.query('SHOW SLAVE STATUS');
  }
}
