import type { Flavor } from './flavor';

// How the GTIDs of both servers are written. What a set of them covers, zongji tells: see `mysql/zongji.ts`.

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
/** `uuid:5`, since MySQL 8.4 with a tag between: `uuid:tag:5`. */
const MYSQL_GTID = new RegExp(`^${UUID}(?::\\w+)?:\\d+$`, 'i');
/** One source of a set: `uuid:1-5:7`, also with tags. */
const MYSQL_PART = new RegExp(`^${UUID}(?::\\w+(?:-\\d+)?)+$`, 'i');
const MARIADB_GTID = /^(\d+)-(\d+)-(\d+)$/;

/** A GTID of MariaDB, taken apart; the sequence number as text, because it may be beyond 2^53. */
export interface MariadbGtidParts {
  readonly domain: number;
  readonly server: number;
  readonly sequence: string;
}

/** Whether a GTID that a server wrote is one of MySQL: only these have a colon. */
export function isMysqlGtid(gtid: string | undefined): gtid is string {
  return gtid?.includes(':') ?? false;
}

/** `domain-server-sequence`; undefined for a GTID of MySQL. */
export function splitMariadbGtid(gtid: string): MariadbGtidParts | undefined {
  const parts = MARIADB_GTID.exec(gtid);
  return parts ? { domain: Number(parts[1]), server: Number(parts[2]), sequence: parts[3] ?? '' } : undefined;
}

/** Whether somebody has written the GTID of one transaction, of either server. */
export function isGtid(text: string): boolean {
  return MYSQL_GTID.test(text) || MARIADB_GTID.test(text);
}

/** Whether somebody has written a GTID set of MySQL or a GTID position of MariaDB; empty for all there is. */
export function isGtidSet(text: string): boolean {
  const parts = text.split(',').map((part) => part.trim());
  return text === '' || parts.every((part) => MYSQL_PART.test(part) || MARIADB_GTID.test(part));
}

/** Which kind of server a set is of; undefined for an empty one. */
export function flavorOfSet(gtidSet: string): Flavor | undefined {
  if (gtidSet === '') return undefined;
  return splitMariadbGtid(gtidSet.split(',')[0] ?? '') ? 'mariadb' : 'mysql';
}
