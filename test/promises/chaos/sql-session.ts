import type { Connection } from 'mysql2/promise';
import { createConnection } from 'mysql2/promise';
import type { SqlServer } from '../../support/servers';
import type { ChaosRow } from './tables';
import { DB } from './tables';

/** How rows are read: the app reads the binlog with the same options. */
export const ROW_FORMAT = { supportBigNumbers: true, timezone: 'Z' } as const;

const CONNECT_TIMEOUT_MILLIS = 5_000;
/** A row or a table may be locked by an XA transaction that waits for somebody to finish it. */
const LOCK_TIMEOUTS = 'SET SESSION innodb_lock_wait_timeout = 3, lock_wait_timeout = 5';

/** One connection that is made anew at the next query once it has broken. */
export class SqlSession {
  private connection: Promise<Connection> | undefined;

  /** @param charset of the session, as mysql2 names it */
  constructor(
    private readonly server: SqlServer,
    private readonly charset?: string,
  ) {}

  /** Several statements are allowed; resolves with the result of the last one. */
  async query(sql: string): Promise<ChaosRow[]> {
    this.connection ??= this.connect();
    const connection = await this.connection;
    const [result] = await connection.query(sql);
    return result as ChaosRow[];
  }

  close(): void {
    const { connection } = this;
    this.connection = undefined;
    connection?.then((open) => open.destroy()).catch(() => undefined);
  }

  /** Resolves when the server has been told and has closed it. */
  async end(): Promise<void> {
    const { connection } = this;
    this.connection = undefined;
    await (await connection)?.end();
  }

  private async connect(): Promise<Connection> {
    try {
      const connection = await createConnection({
        ...this.server.connectionOptions(),
        ...ROW_FORMAT,
        ...(this.charset === undefined ? {} : { charset: this.charset }),
        database: DB,
        multipleStatements: true,
        connectTimeout: CONNECT_TIMEOUT_MILLIS,
      });
      connection.on('error', () => this.close());
      await connection.query(LOCK_TIMEOUTS);
      return connection;
    } catch (error) {
      this.connection = undefined;
      throw error;
    }
  }
}

/** Whether the connection is gone, rather than the statement refused. */
export function isConnectionError(error: unknown): boolean {
  const { code = '', fatal } = error as { code?: string; fatal?: boolean };
  return fatal === true || /^(PROTOCOL_|ECONN|EPIPE|ETIMEDOUT|ER_SERVER_SHUTDOWN)/.test(code);
}
