import type { Pool, ResultSetHeader, RowDataPacket } from 'mysql2/promise';
import { createPool } from 'mysql2/promise';
import type { SqlServer } from '../../test/support/servers';

export const POOL_SIZE = 16;
const ROWS_PER_STATEMENT = 1_000;

export interface Item {
  readonly id: number;
  /** 1, and one more with each write. */
  readonly version: number;
  readonly name: string;
  readonly email: string;
  readonly address: string;
  readonly note: string;
}

/** The table whose rows are cached, with a pool for each side. */
export class Items {
  private readonly readers: Pool;
  private readonly writers: Pool;

  private constructor(sql: SqlServer) {
    const options = { ...sql.connectionOptions(), database: 'races', connectionLimit: POOL_SIZE };
    this.readers = createPool(options);
    this.writers = createPool(options);
  }

  /** Makes the table anew. */
  static async create(sql: SqlServer, keys: number): Promise<Items> {
    await sql.query('DROP DATABASE IF EXISTS races');
    await sql.query('CREATE DATABASE races');
    await sql.query(`CREATE TABLE races.items (id BIGINT PRIMARY KEY, version INT NOT NULL,
      name VARCHAR(100) NOT NULL, email VARCHAR(100) NOT NULL, address VARCHAR(200) NOT NULL,
      note TEXT NOT NULL)`);
    for (let first = 1; first <= keys; first += ROWS_PER_STATEMENT) {
      const count = Math.min(ROWS_PER_STATEMENT, keys - first + 1);
      const rows = Array.from({ length: count }, (_, index) => newRow(first + index));
      await sql.query('INSERT INTO races.items VALUES ?', [rows]);
    }
    return new Items(sql);
  }

  static keyOf(id: number): string {
    return `races:items:${id}`;
  }

  async load(id: number): Promise<Item> {
    const [rows] = await this.readers.query<(Item & RowDataPacket)[]>('SELECT * FROM items WHERE id = ?', [
      id,
    ]);
    return rows[0]!;
  }

  /** Commits at once; resolves with the version that the row has now. */
  async write(id: number): Promise<number> {
    // LAST_INSERT_ID(expression) tells the new value with the answer, without another statement.
    const [{ insertId }] = await this.writers.query<ResultSetHeader>(
      'UPDATE items SET version = LAST_INSERT_ID(version + 1) WHERE id = ?',
      [id],
    );
    return insertId;
  }

  async all(): Promise<Item[]> {
    const [rows] = await this.readers.query<(Item & RowDataPacket)[]>('SELECT * FROM items');
    return rows;
  }

  async close(): Promise<void> {
    await Promise.all([this.readers.end(), this.writers.end()]);
  }
}

function newRow(id: number): unknown[] {
  const note = `A note about order ${id} that somebody typed in some time ago and nobody has read since.`;
  return [
    id,
    1,
    `customer number ${id}`,
    `customer${id}@example.com`,
    `${id} Long Street, 12345 Some Town`,
    note,
  ];
}
