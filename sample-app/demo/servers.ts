import type { RabbitMqServer, RedisServer, SqlServer } from '../../test/support/servers';
import { startMariadb, startMysql, startRabbitmq, startRedis } from '../../test/support/servers';
import type { AppConfig } from '../app.config';

/** The demo's own servers: on free ports of 127.0.0.1, in a temporary folder, gone with this process. */
export class DemoServers {
  private readonly starting: Promise<{ dispose(): Promise<void> }>[] = [];

  private constructor(
    readonly sql: Promise<SqlServer>,
    readonly redis: Promise<RedisServer>,
    readonly rabbitmq: Promise<RabbitMqServer> | undefined,
  ) {
    this.starting = [sql, redis, ...(rabbitmq ? [rabbitmq] : [])];
    // Whoever needs a server awaits it and hears of its failure; until then it is nobody's surprise.
    for (const server of this.starting) server.catch(() => undefined);
  }

  static start(options: { mariadb: boolean; rabbitmq: boolean }): DemoServers {
    return new DemoServers(
      options.mariadb ? startMariadb() : startMysql(),
      startRedis(),
      options.rabbitmq ? startRabbitmq() : undefined,
    );
  }

  /** Removes those that have come up; those that have not are removed with the process. */
  async dispose(): Promise<void> {
    const notYet = new Promise<undefined>((resolve) => setImmediate(resolve));
    await Promise.allSettled(
      this.starting.map(async (server) => (await Promise.race([server, notYet]))?.dispose()),
    );
  }
}

const BINLOG_READER = { user: 'cacheflow', password: 'demo' };

/** The account for the library, with all that it needs and no more. */
export async function createBinlogReader(sql: SqlServer): Promise<AppConfig['replication']> {
  const { user, password } = BINLOG_READER;
  await sql.query(`CREATE USER '${user}'@'%' IDENTIFIED BY '${password}'`);
  await sql.query(`GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '${user}'@'%'`);
  await sql.query(`GRANT SELECT ON user.* TO '${user}'@'%'`);
  return BINLOG_READER;
}
