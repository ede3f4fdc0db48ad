import type { SqlConnectionOptions, SqlServer } from '../../support/servers';
import { startMariadb, startMysql } from '../../support/servers';
import type { Epoch } from './commit-order';

const CATCH_UP_SECONDS = 60;

/** Where durable servers and those that only follow differ. */
const DURABLE = 'SET GLOBAL sync_binlog = 1; SET GLOBAL innodb_flush_log_at_trx_commit = 1';
const FOLLOWING = 'SET GLOBAL sync_binlog = 0; SET GLOBAL innodb_flush_log_at_trx_commit = 2';

/** A primary and its replica. It is the primary for everybody, whichever of the two that is now. */
export class SqlPair implements SqlServer {
  readonly kind: SqlServer['kind'];
  readonly host = '127.0.0.1';
  readonly rootPassword: string;
  private replica: SqlServer;
  /** Who wrote from when on; see CommitOrder. */
  readonly epochs: Epoch[] = [];

  private constructor(
    private primary: SqlServer,
    replica: SqlServer,
  ) {
    this.kind = primary.kind;
    this.rootPassword = primary.rootPassword;
    this.replica = replica;
  }

  static async open(kind: SqlServer['kind'], args: readonly string[]): Promise<SqlPair> {
    const start = kind === 'mysql' ? startMysql : startMariadb;
    const started = await Promise.allSettled(
      [1, 2].map((id) =>
        start({ args: [...args, `--server-id=${id}`, '--log-slave-updates=ON'], onDisk: true }),
      ),
    );
    const servers = started.flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
    try {
      const failed = started.find((each) => each.status === 'rejected');
      if (failed) throw failed.reason;
      const pair = new SqlPair(servers[0]!, servers[1]!);
      await pair.follow();
      await pair.beginEpoch();
      return pair;
    } catch (error) {
      await Promise.all(servers.map((server) => server.dispose()));
      throw error;
    }
  }

  /**
   * The replica takes over once it has everything, and the primary is gone at once. Nobody may write meanwhile, so that
   * the servers lose nothing themselves.
   */
  async failOver(): Promise<void> {
    const { primary, replica } = this;
    await this.drain();
    await primary.kill();
    const end = this.kind === 'mysql' ? 'STOP REPLICA; RESET REPLICA ALL' : 'STOP SLAVE; RESET SLAVE ALL';
    await replica.query(`${end}; ${DURABLE}`);
    this.primary = replica;
    this.replica = primary;
    await this.beginEpoch();
  }

  /** The old primary comes back, as the replica. */
  async rejoin(): Promise<void> {
    await this.replica.start();
    await this.follow();
  }

  /** All transactions so far. */
  async gtids(): Promise<string> {
    const variable = this.kind === 'mysql' ? 'gtid_executed' : 'gtid_binlog_pos';
    const [row] = await this.primary.query<{ gtids: string }>(`SELECT @@GLOBAL.${variable} AS gtids`);
    return row?.gtids ?? '';
  }

  /** Whether these transactions are all among those. */
  async includes(those: string, these: string): Promise<boolean> {
    if (this.kind === 'mariadb') return mariadbNumber(those) >= mariadbNumber(these);
    const [row] = await this.primary.query<{ yes: number }>('SELECT GTID_SUBSET(?, ?) AS yes', [
      these,
      those,
    ]);
    return row?.yes === 1;
  }

  private async follow(): Promise<void> {
    const { primary, replica } = this;
    const { port } = primary;
    await replica.query(FOLLOWING);
    if (this.kind === 'mysql') {
      await replica.query(
        `CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=${port}, SOURCE_USER='root', ` +
          'SOURCE_AUTO_POSITION=1, SOURCE_CONNECT_RETRY=1, SOURCE_RETRY_COUNT=10000; START REPLICA',
      );
      return;
    }
    // What it has written as a primary counts as well.
    await replica.query('SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_binlog_pos');
    await replica.query(
      `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${port}, MASTER_USER='root', ` +
        'MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1; START SLAVE',
    );
  }

  /** Resolves when the replica has everything. */
  private async drain(): Promise<void> {
    const { replica, kind } = this;
    const [wait, status] =
      kind === 'mysql'
        ? ['WAIT_FOR_EXECUTED_GTID_SET', 'SHOW REPLICA STATUS']
        : ['MASTER_GTID_WAIT', 'SHOW SLAVE STATUS'];
    const [waited] = await replica.query<{ late: number }>(`SELECT ${wait}(?, ${CATCH_UP_SECONDS}) AS late`, [
      await this.gtids(),
    ]);
    if (Number(waited?.late) === 0) return;
    const [state] = await replica.query(status);
    const errors = Object.entries(state ?? {}).filter(
      ([name, value]) => /^Last_\w*Error$/.test(name) && value !== '',
    );
    if (kind === 'mysql') {
      const workers = await replica.query<{ error: string }>(
        "SELECT LAST_ERROR_MESSAGE AS error FROM performance_schema.replication_applier_status_by_worker WHERE LAST_ERROR_MESSAGE <> ''",
      );
      errors.push(...workers.map(({ error }): [string, unknown] => ['Worker', error]));
    }
    throw new Error(`The replica is late: ${errors.map((each) => each.join(' ')).join('; ')}`);
  }

  private async beginEpoch(): Promise<void> {
    if (this.kind === 'mariadb') return;
    const [row] = await this.primary.query<{ id: string; executed: string }>(
      'SELECT @@server_uuid AS id, @@GLOBAL.gtid_executed AS executed',
    );
    const { id = '', executed = '' } = row ?? {};
    const own = executed.split(/,\s*/).find((part) => part.startsWith(id)) ?? '';
    this.epochs.push({ source: id, after: Number(/\d+$/.exec(own.slice(id.length))?.[0] ?? 0) });
  }

  get port(): number {
    return this.primary.port;
  }

  get pid(): number {
    return this.primary.pid;
  }

  get dataDir(): string {
    return this.primary.dataDir;
  }

  get version(): string {
    return this.primary.version;
  }

  get isPaused(): boolean {
    return this.primary.isPaused;
  }

  isAlive(): Promise<boolean> {
    return this.primary.isAlive();
  }

  stop(): Promise<void> {
    return this.primary.stop();
  }

  kill(): Promise<void> {
    return this.primary.kill();
  }

  pause(): void {
    this.primary.pause();
  }

  resume(): void {
    this.primary.resume();
  }

  start(): Promise<void> {
    return this.primary.start();
  }

  restart(): Promise<void> {
    return this.primary.restart();
  }

  query<T = Record<string, unknown>>(sql: string, params?: unknown[]): Promise<T[]> {
    return this.primary.query<T>(sql, params);
  }

  connectionOptions(): SqlConnectionOptions {
    return this.primary.connectionOptions();
  }

  async dispose(): Promise<void> {
    await Promise.all([this.primary.dispose(), this.replica.dispose()]);
  }
}

/** All are of one domain, in which MariaDB counts on whoever writes. */
function mariadbNumber(position: string): number {
  return Number(/-(\d+)$/.exec(position)?.[1] ?? 0);
}
