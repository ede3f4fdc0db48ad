import type { RedisServer, SqlServer } from '../../test/support/servers';

const NAMES = { mysql: 'MySQL', mariadb: 'MariaDB' };

/** What somebody in front of a terminal wants to know. */
export function banner(url: string, sql: SqlServer, redis: RedisServer, rabbitmqUrl: string): string {
  return `
  The page       ${url}

  ${NAMES[sql.kind].padEnd(14)} mysql --host=${sql.host} --port=${sql.port} --user=root user
  Redis          redis-cli -p ${redis.port}
  RabbitMQ       ${rabbitmqUrl} (it may still be starting)

  Change a row in the page or in the database and watch its key go.
  Ctrl-C ends it and removes everything.
`;
}
