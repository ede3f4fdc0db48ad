import { chooseServerId, isServerId } from './server-id';
import type { MysqlSourceOptions } from '../options/cacheflow.options';
import type { OptionCheck } from './option-check';
import { isObject } from './option-check';

const MYSQL_NAMES: Record<keyof MysqlSourceOptions, true> = {
  host: true,
  port: true,
  socketPath: true,
  user: true,
  password: true,
  ssl: true,
  serverId: true,
  connectTimeoutMillis: true,
  timezone: true,
  dateStrings: true,
  decimalNumbers: true,
  supportBigNumbers: true,
  bigNumberStrings: true,
  jsonStrings: true,
};

/** The source, whether it can be asked anything, and the server id to read it with. */
export function resolveMysql(
  check: OptionCheck,
  given: unknown,
): { readonly options: MysqlSourceOptions; readonly serverId: number; readonly isUsable: boolean } {
  const faultsBefore = check.faults.length;
  if (!isObject(given)) {
    check.fault(
      'mysql',
      'it is missing',
      "Set it, e.g. { host: '127.0.0.1', port: 3306, user: 'cacheflow', password: '…' }",
    );
    return { options: { user: '' }, serverId: 1, isUsable: false };
  }
  const options = given as unknown as MysqlSourceOptions;
  check.names('mysql', given, MYSQL_NAMES);
  check.text('mysql.user', options.user);
  if (options.host !== undefined) check.text('mysql.host', options.host);
  if (options.port !== undefined) check.positiveInteger('mysql.port', options.port);
  if (options.connectTimeoutMillis !== undefined) {
    check.positiveInteger('mysql.connectTimeoutMillis', options.connectTimeoutMillis);
  }
  if (options.serverId !== undefined && !isServerId(options.serverId)) {
    check.fault(
      'mysql.serverId',
      'it is no server id',
      'Use a whole number from 1 to 4294967295, or leave it out',
    );
  }
  if (options.timezone !== undefined && !/^(local|Z|[+-]\d\d:\d\d)$/.test(options.timezone)) {
    check.fault('mysql.timezone', 'it is no time zone', "Use 'local', 'Z' or an offset such as '+08:00'");
  }
  const isUsable = check.faults.length === faultsBefore;
  let serverId = 1;
  try {
    serverId = chooseServerId(options.serverId);
  } catch (error) {
    check.fault(
      'CACHEFLOW_SERVER_ID',
      (error as RangeError).message,
      'Correct or unset the environment variable',
    );
  }
  return { options, serverId, isUsable };
}
