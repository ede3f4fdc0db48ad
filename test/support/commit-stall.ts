import type { SqlServer } from './servers';

// Semi-synchronous replication without a replica: a commit is in the binlog, and sent to whoever tails it, but
// nobody can read it until the wait for a replica is over.

/** Longer than any test. */
const TIMEOUT_MILLIS = 60_000;

/** From now on no commit of the server ends, and none can be read, until `end` is called. */
export async function stallCommits(sql: SqlServer): Promise<{ end(): Promise<void> }> {
  if (sql.kind === 'mysql') {
    const [plugin] = await sql.query(
      "SELECT 1 FROM INFORMATION_SCHEMA.PLUGINS WHERE PLUGIN_NAME = 'rpl_semi_sync_source'",
    );
    if (!plugin) await sql.query("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'");
    await set(sql, 'rpl_semi_sync_source_timeout', TIMEOUT_MILLIS);
    await set(sql, 'rpl_semi_sync_source_wait_no_replica', 1);
    await set(sql, 'rpl_semi_sync_source_enabled', 1);
    return { end: () => set(sql, 'rpl_semi_sync_source_enabled', 0) };
  }
  await set(sql, 'rpl_semi_sync_master_wait_point', "'AFTER_SYNC'");
  await set(sql, 'rpl_semi_sync_master_timeout', TIMEOUT_MILLIS);
  await set(sql, 'rpl_semi_sync_master_wait_no_slave', 1);
  await set(sql, 'rpl_semi_sync_master_enabled', 1);
  return { end: () => set(sql, 'rpl_semi_sync_master_enabled', 0) };
}

async function set(sql: SqlServer, name: string, value: string | number): Promise<void> {
  await sql.query(`SET GLOBAL ${name} = ${value}`);
}
