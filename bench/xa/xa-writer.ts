import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { createConnection } from 'mysql2/promise';
import type { SqlServer } from '../../test/support/servers';

const CONNECTIONS = 8;
/** One in so many is rolled back. */
const ROLLED_BACK = 10;

/** Changes one row in each of many XA transactions, as transaction managers do: start, end, prepare, commit. */
export class XaWriter {
  committed = 0;
  rolledBack = 0;
  private started = 0;
  private readonly connections: Connection[] = [];

  constructor(
    private readonly sql: SqlServer,
    private readonly rows: number,
  ) {}

  /** Keeps to the rate as far as the server lets it. */
  async run(seconds: number, rate: number): Promise<void> {
    const begun = performance.now();
    const last = this.started + Math.round(seconds * rate);
    const first = this.started;
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async (_, at) => {
        const connection = (this.connections[at] ??= await createConnection({
          ...this.sql.connectionOptions(),
          database: 'bench',
        }));
        while (this.started < last) {
          const number = this.started++;
          const due = begun + ((number - first) * 1_000) / rate;
          const early = due - performance.now();
          if (early > 0) await sleep(early);
          await this.transact(connection, number);
        }
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.connections.map((connection) => connection.end()));
  }

  private async transact(connection: Connection, number: number): Promise<void> {
    const xid = `'bench-${number}','branch',1`;
    await connection.query(`XA START ${xid}`);
    await connection.query('UPDATE moved SET v = v + 1 WHERE id = ?', [number % this.rows]);
    await connection.query(`XA END ${xid}`);
    await connection.query(`XA PREPARE ${xid}`);
    if (number % ROLLED_BACK === 0) {
      await connection.query(`XA ROLLBACK ${xid}`);
      this.rolledBack++;
    } else {
      await connection.query(`XA COMMIT ${xid}`);
      this.committed++;
    }
  }
}
