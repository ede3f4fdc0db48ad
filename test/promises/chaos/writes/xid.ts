import type { SqlServer } from '../../../support/servers';
import type { Random } from '../random';
import type { SqlSession } from '../sql-session';

/** The name of an XA transaction; only all of its parts together are unique. */
export interface Xid {
  readonly format: number;
  readonly gtrid: Buffer;
  readonly bqual: Buffer;
}

/** Among them what ends a string, a comment or a C string. */
const BEGINNINGS = ['order-', '', "it's\\", '\0\0', '*/ -- ', '通知', '\xff\xfe'].map((text) =>
  Buffer.from(text, text === '\xff\xfe' ? 'latin1' : 'utf8'),
);
const FORMATS = [1, 1, 0, 42, 2 ** 31 - 1];

/**
 * Names that nobody has used, alike on purpose: the same bytes, and only where the first part ends tells them apart.
 *
 * @param number another one for each call
 */
export function makeXids(count: number, number: number, random: Random): Xid[] {
  const id = Buffer.alloc(4);
  id.writeUInt32BE(number);
  const filler = Buffer.alloc(random.pick([0, 0, 3, 50]), 0x5c);
  const bytes = Buffer.concat([random.pick(BEGINNINGS), filler, id]);
  const format = random.pick(FORMATS);
  return Array.from({ length: count }, (_, at) => {
    const end = bytes.length - at;
    return { format, gtrid: bytes.subarray(0, end), bqual: bytes.subarray(end) };
  });
}

export function xidSql({ format, gtrid, bqual }: Xid): string {
  return `X'${gtrid.toString('hex')}',X'${bqual.toString('hex')}',${format}`;
}

/** All that are prepared. */
export async function preparedXids(session: SqlSession, server: SqlServer['kind']): Promise<Xid[]> {
  // MySQL's plain form decodes the bytes as text.
  const rows = await session.query(server === 'mysql' ? 'XA RECOVER CONVERT XID' : 'XA RECOVER');
  return rows.map(({ formatID: format, gtrid_length: length, data }) => {
    const bytes = Buffer.isBuffer(data) ? data : Buffer.from(String(data).slice(2), 'hex');
    const end = Number(length);
    return { format: Number(format), gtrid: bytes.subarray(0, end), bqual: bytes.subarray(end) };
  });
}
