import type { Flavor } from '../change/flavor';
import { setMaxListeners } from 'node:events';
import type { Socket } from 'node:net';
import type { Connection, ConnectionOptions, RowDataPacket } from 'mysql2';
import { createConnection } from 'mysql2';
import type { MysqlSourceOptions } from '../options/cacheflow.options';
import { resolvePassword } from '../options/password-source';
import { untilAborted } from '../support/abort';
import type { BinlogPosition } from '../change/position';
import type { SessionOptions } from './session-setup';
import { QUERY_TIMEOUT_MILLIS, sessionSetup } from './session-setup';

/** What kind of server the source is. */
export interface ServerInfo {
  readonly flavor: Flavor;
  readonly version: string;
  /** Tells the server from others: MySQL's `server_uuid`, MariaDB's `server_id`, which a topology has once. */
  readonly identity: string;
  /** Tells it from servers that have nothing to do with it, too: MariaDB's `server_id` is 1 unless it is set. */
  readonly instance: string;
  /** Its `server_id`. */
  readonly serverId: number;
  /** Whether a tail can resume by GTID set: MySQL with gtid_mode=ON, MariaDB always. */
  readonly gtid: boolean;
}

type SqlRow = Record<string, unknown>;

/** mysql2's query, with the timer of its timeout, which the types leave out. */
interface AskedQuery {
  queryTimeout?: NodeJS.Timeout | null;
}

const KEEP_ALIVE_DELAY_MILLIS = 10_000;

/** How mysql2 is to read values; as text wherever digits could be lost, unless told otherwise. */
export type ValueReading = Pick<
  ConnectionOptions,
  'timezone' | 'dateStrings' | 'decimalNumbers' | 'supportBigNumbers' | 'bigNumberStrings' | 'jsonStrings'
>;

const EXACT: ValueReading = { supportBigNumbers: true, bigNumberStrings: true };

/** What one connection is for. */
export interface ConnectionUse extends SessionOptions {
  readonly reading?: ValueReading;
}

/** mysql2's options for one connection to the source. */
async function toConnectionOptions(
  options: MysqlSourceOptions,
  reading: ValueReading,
): Promise<ConnectionOptions> {
  return {
    ...(options.socketPath
      ? { socketPath: options.socketPath }
      : { host: options.host ?? '127.0.0.1', port: options.port ?? 3306 }),
    user: options.user,
    password: await resolvePassword(options.password),
    ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
    connectTimeout: options.connectTimeoutMillis ?? 10_000,
    enableKeepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_DELAY_MILLIS,
    charset: 'utf8mb4',
    ...reading,
  };
}

/** The second connection to the source, for questions; the first one streams. */
export class ControlConnection {
  private broken: Error | undefined;
  private readonly breaking = new AbortController();
  private readonly unanswered = new Set<AskedQuery>();
  /** mysql2 leaves what was asked before the close without an answer for ever. */
  private readonly closing = new AbortController();

  private constructor(readonly raw: Connection) {
    setMaxListeners(0, this.closing.signal);
    const onBroken = (error: Error): void => {
      this.broken ??= error;
      this.breaking.abort(this.broken);
    };
    raw.on('error', onBroken);
    raw.on('end', () => onBroken(new Error('The server closed the connection')));
  }

  /** Connects, and sets the session up. Rejects with mysql2's error, or with the signal's reason. */
  static async open(
    options: MysqlSourceOptions,
    signal?: AbortSignal,
    { reading = EXACT, ...session }: ConnectionUse = {},
  ): Promise<ControlConnection> {
    const raw = createConnection(await toConnectionOptions(options, reading));
    const connection = new ControlConnection(raw);
    const connected = new Promise<void>((resolve, reject) => {
      raw.connect((error) => (error ? reject(error) : resolve()));
    });
    const ready = connected.then(() => connection.query(sessionSetup(session)));
    try {
      await (signal ? untilAborted(ready, signal) : ready);
      return connection;
    } catch (error) {
      connection.close();
      // In the middle of a handshake the server's last words would be printed by mysql2 as a warning.
      connection.socket.destroy();
      throw error;
    }
  }

  /** Whether nothing was heard of a break. */
  get isOpen(): boolean {
    return this.broken === undefined;
  }

  /** Aborted with the reason when the connection breaks; not when it is closed. */
  get breaks(): AbortSignal {
    return this.breaking.signal;
  }

  /** Runs one statement; times out, so that a frozen server is noticed. */
  async query(sql: string, values: readonly unknown[] = []): Promise<SqlRow[]> {
    let query: AskedQuery = {};
    const answer = new Promise<SqlRow[]>((resolve, reject) => {
      query = this.raw.query<RowDataPacket[]>(
        { sql, values: [...values], timeout: QUERY_TIMEOUT_MILLIS },
        (error, rows) => (error ? reject(error) : resolve(rows)),
      ) as AskedQuery;
    });
    this.unanswered.add(query);
    try {
      return await untilAborted(answer, this.closing.signal);
    } finally {
      this.unanswered.delete(query);
    }
  }

  /** The values of global variables; those that the server does not know are absent. */
  async variables(...names: string[]): Promise<Map<string, string>> {
    const rows = await this.query('SHOW GLOBAL VARIABLES WHERE Variable_name IN (?)', [names]);
    return new Map(rows.map((row) => [String(row['Variable_name']), String(row['Value'])]));
  }

  async serverInfo(): Promise<ServerInfo> {
    const version = String((await this.query('SELECT VERSION() AS version'))[0]?.['version']);
    const flavor = /mariadb/i.test(version) ? 'mariadb' : 'mysql';
    const variables = await this.variables('server_uuid', 'server_id', 'gtid_mode', 'hostname', 'port');
    const uuid = variables.get('server_uuid');
    const serverId = variables.get('server_id');
    return {
      flavor,
      version,
      identity: uuid ?? `server-id-${serverId}`,
      instance: uuid ?? `server-id-${serverId} at ${variables.get('hostname')}:${variables.get('port')}`,
      serverId: Number(serverId),
      gtid: flavor === 'mariadb' || variables.get('gtid_mode') === 'ON',
    };
  }

  /** The position up to which the source has written its binlog. Needs REPLICATION CLIENT. */
  async currentPosition(server: ServerInfo): Promise<BinlogPosition> {
    const { executed, ...place } = await this.binlogStatus();
    if (!server.gtid) return place;
    if (server.flavor === 'mysql') return { ...place, gtidSet: executed };
    const [row] = await this.query('SELECT BINLOG_GTID_POS(?, ?) AS pos', [place.file, place.offset]);
    return { ...place, gtidSet: String(row?.['pos'] ?? '') };
  }

  /** The same without GTIDs, which MariaDB has to read the whole file for. */
  async currentPlace(): Promise<BinlogPosition> {
    const { file, offset } = await this.binlogStatus();
    return { file, offset };
  }

  /** What binlog-do-db and binlog-ignore-db name, with commas between. Needs REPLICATION CLIENT. */
  async binlogFilters(): Promise<{ doDb: string; ignoreDb: string }> {
    const [status] = await this.showBinlogStatus();
    return {
      doDb: String(status?.['Binlog_Do_DB'] ?? ''),
      ignoreDb: String(status?.['Binlog_Ignore_DB'] ?? ''),
    };
  }

  private async binlogStatus(): Promise<{ file: string; offset: number; executed: string }> {
    const [status] = await this.showBinlogStatus();
    if (!status) throw new Error('The source keeps no binlog');
    return {
      file: String(status['File']),
      offset: Number(status['Position']),
      executed: String(status['Executed_Gtid_Set'] ?? '').replace(/\s/g, ''),
    };
  }

  /** SHOW MASTER STATUS went away in MySQL 8.4; SHOW BINARY LOG STATUS came in 8.2 and MariaDB lacks it. */
  private async showBinlogStatus(): Promise<SqlRow[]> {
    try {
      return await this.query('SHOW BINARY LOG STATUS');
    } catch (error) {
      if (sqlErrorCode(error) !== 'ER_PARSE_ERROR') throw error;
      return this.query('SHOW MASTER STATUS');
    }
  }

  /** The binlog files that the source still has, oldest first. Needs REPLICATION CLIENT. */
  async binlogFiles(): Promise<{ file: string; size: number }[]> {
    const rows = await this.query('SHOW BINARY LOGS');
    return rows.map((row) => ({ file: String(row['Log_name']), size: Number(row['File_size']) }));
  }

  close(): void {
    this.broken ??= new Error('The connection was closed');
    this.closing.abort(this.broken);
    this.raw.destroy();
    // mysql2 would print a warning about answers that nobody waits for any more, and keep their timers.
    if (this.unanswered.size > 0) this.socket.destroy();
    for (const { queryTimeout } of this.unanswered) clearTimeout(queryTimeout ?? undefined);
    // It only says goodbye; a frozen server never answers, and must not keep the process alive.
    this.socket.unref();
  }

  private get socket(): Socket {
    return (this.raw as unknown as { stream: Socket }).stream;
  }
}

/** The symbolic code of an error of mysql2 or of Node's network layer. */
export function sqlErrorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
