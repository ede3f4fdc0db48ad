import type { ControlConnection } from '../binlog/control-connection';

/** A table of the source that the user may see. */
export interface ExistingTable {
  readonly schema: string;
  readonly table: string;
  /** MariaDB: WITH SYSTEM VERSIONING. */
  readonly versioned: boolean;
}

/** All tables that are no views and none of the server's own. */
export async function listTables(control: ControlConnection): Promise<ExistingTable[]> {
  const rows = await control.query(
    `SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, TABLE_TYPE AS type FROM INFORMATION_SCHEMA.TABLES
      WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')`,
  );
  return rows.map((row) => ({
    schema: String(row['s']),
    table: String(row['t']),
    versioned: row['type'] === 'SYSTEM VERSIONED',
  }));
}
