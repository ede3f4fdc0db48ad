import type { RabbitMqServer, RedisServer, ServerHandle, SqlServer } from '../../test/support/servers';
import { freePort, startMariadb, startMysql, startRabbitmq, startRedis } from '../../test/support/servers';
import type { AppConfig } from '../app.config';

/** The demo's own servers: on free ports of 127.0.0.1, in temporary folders, gone at the latest with this process. */
export class DemoServers {
  readonly sql: Promise<SqlServer>;
  readonly redis: Promise<RedisServer>;
  readonly rabbitmq: Promise<RabbitMqServer>;
  /** Known before the broker is up, which takes the longest: the app does not wait for it. */
  readonly rabbitmqUrl: Promise<string>;
  private readonly running: ServerHandle[] = [];

  /** Starts them all at once. */
  constructor(options: { mariadb: boolean }) {
    this.sql = this.keep(options.mariadb ? startMariadb() : startMysql());
    this.redis = this.keep(startRedis());
    const port = freePort();
    this.rabbitmqUrl = port.then((free) => `amqp://guest:guest@127.0.0.1:${free}/`);
    this.rabbitmq = this.keep(port.then((free) => startRabbitmq({ port: free })));
  }

  /** Removes those that have come up; the others go with the process. */
  async dispose(): Promise<void> {
    await Promise.all(this.running.map((server) => server.dispose()));
  }

  private keep<T extends ServerHandle>(starting: Promise<T>): Promise<T> {
    const kept = starting.then((server) => {
      this.running.push(server);
      return server;
    });
    // Whoever needs the server hears of its failure; until then nobody has to wait for it.
    kept.catch(() => undefined);
    return kept;
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

/** For a process of the app that was killed while it kept Redis' memory away, see MemoryService. */
export async function giveMemoryBack(redis: RedisServer): Promise<void> {
  await redis.command('CONFIG', 'SET', 'maxmemory', '0');
}
