import type { ConfigurationFault } from '../errors/configuration.error';
import { sqlErrorCode } from './control-connection';

/** ER_MASTER_FATAL_ERROR_READING_BINLOG: what the source answers when it cannot stream. */
const FATAL_READING_BINLOG = 1236;

export type SourceFault = 'unreachable' | 'server-id' | 'position-lost' | 'denied';

/** What an error of a connection to the source means for the tail. */
export function classifySourceError(error: unknown): SourceFault {
  const code = sqlErrorCode(error) ?? '';
  const { errno, message } = (error ?? {}) as { errno?: unknown; message?: unknown };
  const text = typeof message === 'string' ? message : '';
  if (/same server_uuid|same server_id|same server id/i.test(text)) return 'server-id';
  if (errno === FATAL_READING_BINLOG) return 'position-lost';
  return /^ER_(ACCESS_DENIED|DBACCESS_DENIED|SPECIFIC_ACCESS_DENIED|NOT_SUPPORTED_AUTH_MODE|HOST_NOT_PRIVILEGED)/.test(
    code,
  )
    ? 'denied'
    : 'unreachable';
}

/** The fault for a login that the source refused. */
export function loginFault(user: string): ConfigurationFault {
  return {
    subject: 'mysql.user, mysql.password',
    problem: `the server refuses the login of '${user}'`,
    fix:
      `Correct the password, or: CREATE USER '${user}'@'%' IDENTIFIED BY '…'; ` +
      `GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '${user}'@'%'; ` +
      `GRANT SELECT ON <database>.* TO '${user}'@'%'`,
  };
}
