import { createConnection } from 'mysql2/promise';
import type { SqlServer } from '../test/support/servers';

/** The binlog that all contenders read: inserts by many-row statements, then single-row transactions. */
export interface Workload {
  readonly inserts: number;
  readonly updates: number;
  readonly start: { readonly file: string; readonly offset: number };
}

const ROWS_PER_STATEMENT = 1_000;
const UPDATE_CONNECTIONS = 8;

const TABLE = `CREATE TABLE bench.items (
  id BIGINT PRIMARY KEY, name VARCHAR(100), email VARCHAR(100), price DECIMAL(12,2), note TEXT,
  created DATETIME(3), changed TIMESTAMP(3) NULL, state ENUM('new','paid','sent'), extra JSON, code VARCHAR(20))`;

/** Writes the workload into the server's binlog. */
export async function prepareWorkload(sql: SqlServer, rows: number): Promise<Workload> {
  await createItems(sql);
  const start = await freshBinlog(sql);
  const inserts = Math.round(rows * 0.8);
  const updates = rows - inserts;
  await insertItems(sql, inserts);
  await updateItems(sql, updates, inserts);
  return { inserts, updates, start };
}

export async function createItems(sql: SqlServer): Promise<void> {
  await sql.query(`CREATE DATABASE bench; ${TABLE}`);
}

/** The start of a new binlog file. */
export async function freshBinlog(sql: SqlServer): Promise<Workload['start']> {
  await sql.query('FLUSH BINARY LOGS');
  const files = await sql.query<{ Log_name: string }>('SHOW BINARY LOGS');
  return { file: files.at(-1)?.Log_name ?? '', offset: 4 };
}

/** By statements of many rows each. */
export async function insertItems(sql: SqlServer, count: number): Promise<void> {
  const connection = await createConnection(sql.connectionOptions());
  for (let id = 0; id < count; id += ROWS_PER_STATEMENT) {
    const rows = Math.min(ROWS_PER_STATEMENT, count - id);
    await connection.query('INSERT INTO bench.items VALUES ?', [
      Array.from({ length: rows }, (_, i) => row(id + i)),
    ]);
  }
  await connection.end();
}

/** By single-row transactions, over the first `items` again and again. */
export async function updateItems(sql: SqlServer, count: number, items: number): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: UPDATE_CONNECTIONS }, async () => {
      const connection = await createConnection(sql.connectionOptions());
      while (next < count) {
        const id = next++ % items;
        await connection.query("UPDATE bench.items SET state = 'paid', price = price + 1 WHERE id = ?", [id]);
      }
      await connection.end();
    }),
  );
}

function row(id: number): unknown[] {
  const moment = new Date(1_700_000_000_000 + id * 997);
  return [
    id,
    `customer number ${id}`,
    `customer${id}@example.com`,
    (id % 100_000) / 100,
    `A note about order ${id} that somebody typed in some time ago and nobody has read since.`,
    moment,
    moment,
    'new',
    JSON.stringify({ tags: ['a', 'b'], weight: id % 50, gift: id % 2 === 0 }),
    `C-${id}`,
  ];
}
