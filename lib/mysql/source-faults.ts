import type { MysqlSourceOptions } from '../options/cacheflow.options';
import { messageOf } from '../errors/cacheflow.error';
import type { ConfigurationFault } from '../errors/configuration.error';
import { sqlErrorCode } from './control-connection';

/** ER_MASTER_FATAL_ERROR_READING_BINLOG: what the source answers when it cannot stream. */
const FATAL_READING_BINLOG = 1236;

/** `no-gtids`: the source serves nobody by GTID set, because it has or had transactions without one (gtid_mode). */
export type SourceFault = 'unreachable' | 'server-id' | 'position-lost' | 'no-gtids' | 'denied';

/** The source's own position is before one that was read from it already. */
export class BinlogResetError extends Error {
  constructor() {
    super('its binlog began anew (RESET)');
  }
}

/** The address leads to another server than a moment ago, where a file and an offset mean nothing. */
export class OtherServerError extends Error {
  constructor() {
    super('the address leads to another server now');
  }
}

/** What an error of a connection to the source means for the tail. */
export function classifySourceError(error: unknown): SourceFault {
  if (error instanceof BinlogResetError) return 'position-lost';
  const code = sqlErrorCode(error) ?? '';
  const { errno, message } = (error ?? {}) as { errno?: unknown; message?: unknown };
  const text = typeof message === 'string' ? message : '';
  if (/same server_uuid|same server_id|same server id/i.test(text)) return 'server-id';
  if (/AUTO_POSITION/i.test(text)) return 'no-gtids';
  // Something in the settings, and not in the position.
  if (errno === FATAL_READING_BINLOG && !/checksum/i.test(text)) return 'position-lost';
  return /^ER_(ACCESS_DENIED|DBACCESS_DENIED|SPECIFIC_ACCESS_DENIED|NOT_SUPPORTED_AUTH_MODE|HOST_NOT_PRIVILEGED)/.test(
    code,
  )
    ? 'denied'
    : 'unreachable';
}

/** What has to be corrected before the source lets us in; undefined when waiting may help. */
export function accessFault(error: unknown, options: MysqlSourceOptions): ConfigurationFault | undefined {
  const code = sqlErrorCode(error);
  // mysql2 gives this code to everything that goes wrong on the way to TLS, broken connections included.
  if (code === 'HANDSHAKE_SSL_ERROR' && /certificate|altnames/i.test(messageOf(error))) {
    return {
      subject: 'mysql.ssl',
      problem: `the certificate of the server is not accepted (${messageOf(error)})`,
      fix: 'Set `mysql.ssl.ca` to the certificate of the CA that signed it, and `mysql.host` to a name that it holds',
    };
  }
  if (code === 'HANDSHAKE_NO_SSL_SUPPORT') {
    return {
      subject: 'mysql.ssl',
      problem: 'the server does not speak TLS',
      fix: 'Start it with --ssl-ca, --ssl-cert and --ssl-key, or leave out `mysql.ssl`',
    };
  }
  if (code === 'ER_SECURE_TRANSPORT_REQUIRED') {
    return {
      subject: 'mysql.ssl',
      problem: 'the server insists on TLS',
      fix: 'Set `mysql.ssl`, e.g. { ca: … }',
    };
  }
  return classifySourceError(error) === 'denied' ? loginFault(options, messageOf(error)) : undefined;
}

/** The fault for a login that the source refused. */
function loginFault({ user, ssl }: MysqlSourceOptions, answer: string): ConfigurationFault {
  return {
    subject: 'mysql.user, mysql.password',
    problem: `the server refuses the login of '${user}' (${answer})`,
    fix:
      `Correct the password${ssl === undefined ? ', set `mysql.ssl` where the account requires it' : ''}, ` +
      `or: CREATE USER '${user}'@'%' IDENTIFIED BY '…'; ` +
      `GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '${user}'@'%'; ` +
      `GRANT SELECT ON <database>.* TO '${user}'@'%'`,
  };
}
