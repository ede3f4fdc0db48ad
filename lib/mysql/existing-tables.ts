import type { ControlConnection } from './control-connection';

/** A table of the source that the user may see. */
export interface ExistingTable {
  readonly schema: string;
  readonly table: string;
  /** MariaDB: WITH SYSTEM VERSIONING. */
  readonly versioned: boolean;
  /** The storage engine, as the server writes it; empty for a table that is damaged. */
  readonly engine: string;
}

/** Databases of the server itself. */
export const SYSTEM_DATABASES: readonly string[] = [
  'mysql',
  'information_schema',
  'performance_schema',
  'sys',
];

/** All tables that are no views, no sequences and none of the server's own. */
export async function listTables(control: ControlConnection): Promise<ExistingTable[]> {
  const rows = await control.query(
    `SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, TABLE_TYPE AS type, ENGINE AS engine FROM INFORMATION_SCHEMA.TABLES
      WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_SCHEMA NOT IN (?)`,
    [SYSTEM_DATABASES],
  );
  return rows.map((row) => ({
    schema: String(row['s']),
    table: String(row['t']),
    versioned: row['type'] === 'SYSTEM VERSIONED',
    engine: String(row['engine'] ?? ''),
  }));
}
