import { type Connection, createConnection } from 'mysql2/promise';
import type { RowDataPacket } from 'mysql2';
import { BaseServer } from './base-server';
import type { Runtime } from './runtime';
import type { SqlConnectionOptions, SqlServer, SqlServerOptions } from './server-handle';

const CONNECT_TIMEOUT_MILLIS = 5_000;

/** MySQL or MariaDB, with a root connection that is opened when it is first needed. */
export class SqlServerProcess extends BaseServer implements SqlServer {
  readonly rootPassword = '';
  private connection?: Promise<Connection>;

  constructor(
    readonly kind: 'mysql' | 'mariadb',
    runtime: Runtime,
  ) {
    super(runtime);
  }

  connectionOptions(): SqlConnectionOptions {
    return { host: this.host, port: this.port, user: 'root', password: this.rootPassword };
  }

  async query<T = Record<string, unknown>>(sql: string, params: unknown[] = []): Promise<T[]> {
    const connection = await this.connected();
    const [rows] = await connection.query<RowDataPacket[]>(sql, params);
    // A statement without rows answers with a header.
    return (Array.isArray(rows) ? rows : [rows]) as T[];
  }

  protected async probe(): Promise<string> {
    const connection = await createConnection({
      ...this.connectionOptions(),
      connectTimeout: CONNECT_TIMEOUT_MILLIS,
    });
    try {
      const [rows] = await connection.query<RowDataPacket[]>(
        'SELECT VERSION() AS version, @@datadir AS dataDir',
      );
      const { version, dataDir } = rows[0] as { version: string; dataDir: string };
      if (dataDir.replace(/\/$/, '') !== this.dataDir)
        throw new Error('Another server has the port: address already in use');
      return version;
    } finally {
      connection.destroy();
    }
  }

  protected disconnect(): void {
    const { connection } = this;
    this.connection = undefined;
    // One that never came about has told its caller so.
    connection?.then((open) => open.destroy()).catch(() => undefined);
  }

  private connected(): Promise<Connection> {
    this.connection ??= this.connect();
    return this.connection;
  }

  private async connect(): Promise<Connection> {
    const forget = () => {
      this.connection = undefined;
    };
    try {
      const connection = await createConnection({
        ...this.connectionOptions(),
        connectTimeout: CONNECT_TIMEOUT_MILLIS,
        multipleStatements: true,
      });
      connection.on('error', forget);
      connection.on('end', forget);
      return connection;
    } catch (error) {
      forget();
      throw error;
    }
  }
}

/** What both servers are given; the caller's arguments come last and so win. */
export function sqlServerArgs(options: SqlServerOptions): string[] {
  const { tls } = options;
  return [
    '--server-id=1',
    '--log-bin=binlog',
    '--binlog-format=ROW',
    '--binlog-row-image=FULL',
    '--binlog-row-metadata=FULL',
    '--character-set-server=utf8mb4',
    '--performance-schema=OFF',
    '--innodb-buffer-pool-size=64M',
    '--innodb-buffer-pool-load-at-startup=OFF',
    '--innodb-buffer-pool-dump-at-shutdown=OFF',
    ...(options.fast ? ['--innodb-flush-log-at-trx-commit=2', '--sync-binlog=0'] : []),
    ...(tls ? [`--ssl-ca=${tls.ca}`, `--ssl-cert=${tls.cert}`, `--ssl-key=${tls.key}`] : []),
    ...(options.args ?? []),
  ];
}

/** What a server in a temporary folder of this machine is given. */
export function localSqlArgs(folder: string, port: number): string[] {
  const asRoot = process.getuid?.() === 0 ? ['--user=root'] : [];
  return [
    ...asRoot,
    `--datadir=${folder}/data`,
    `--socket=${folder}/sock`,
    // Two servers that share one delete each other's temporary tables.
    `--tmpdir=${folder}`,
    `--pid-file=${folder}/pid`,
    '--bind-address=127.0.0.1',
    `--port=${port}`,
  ];
}
