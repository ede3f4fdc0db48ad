import type { BarrierOptions, MysqlSourceOptions } from '../options/cacheflow.options';
import type { OptionCheck } from './option-check';
import { isObject } from './option-check';

const BARRIER_NAMES: Record<keyof BarrierOptions, true> = {
  host: true,
  port: true,
  socketPath: true,
  user: true,
  password: true,
  ssl: true,
  connectTimeoutMillis: true,
};

/** The replica to wait for, with what it has in common with the source; undefined for the source itself. */
export function resolveBarrier(
  check: OptionCheck,
  given: unknown,
  mysql: MysqlSourceOptions,
): MysqlSourceOptions | undefined {
  if (given === undefined) return undefined;
  if (!isObject(given)) {
    check.fault('barrier', 'it is no object', "Write e.g. { host: 'replica', port: 3306 } or leave it out");
    return undefined;
  }
  const options = given as unknown as BarrierOptions;
  check.names('barrier', given, BARRIER_NAMES);
  if (options.socketPath !== undefined) check.text('barrier.socketPath', options.socketPath);
  else check.text('barrier.host', options.host);
  if (options.port !== undefined) check.positiveInteger('barrier.port', options.port);
  if (options.user !== undefined) check.text('barrier.user', options.user);
  if (options.connectTimeoutMillis !== undefined) {
    check.positiveInteger('barrier.connectTimeoutMillis', options.connectTimeoutMillis);
  }
  const { user, password, ssl, connectTimeoutMillis } = mysql;
  return { user, password, ssl, connectTimeoutMillis, ...options };
}
