import { inflateSync } from 'node:zlib';
import type { EventHeader } from '../../decode/event-header';

/** A statement as it stands in the binlog. */
export interface LoggedStatement {
  /** The default database of the session that ran it. */
  readonly schema: string;
  /** Its bytes read as UTF-8, which is right for what the servers make up themselves and for all of ASCII. */
  readonly text: string;
  /** The collation id of the character set in which its session spoke; undefined where it cannot be told. */
  readonly collation: number | undefined;
  /** The bytes themselves. The network's: copy what outlives the event. */
  readonly bytes: Buffer;
}

/**
 * Query events: thread 4, time 4, schema length 1, error 2, status length 2, status, schema, 0, statement. The schema
 * is always UTF-8. Source: MySQL libs/mysql/binlog/event/statement_events.h (Query_event).
 */
export function readQuery(buffer: Buffer, header: EventHeader, compressed = false): LoggedStatement {
  const { bodyStart, bodyEnd } = header;
  const schemaLength = buffer[bodyStart + 8] ?? 0;
  const statusStart = bodyStart + 13;
  const schemaStart = statusStart + buffer.readUInt16LE(bodyStart + 11);
  const schemaEnd = schemaStart + schemaLength;
  const stored = buffer.subarray(schemaEnd + 1, bodyEnd);
  const bytes = compressed ? inflateStatement(stored) : stored;
  return {
    schema: buffer.toString('utf8', schemaStart, schemaEnd),
    text: bytes.toString('utf8'),
    bytes,
    get collation() {
      // Few statements need it, and each transaction has one that does not.
      return clientCollation(buffer, statusStart, schemaStart);
    },
  };
}

/** Whether a query event is the BEGIN that each transaction of MySQL has; told without reading all of it. */
export function isBegin(buffer: Buffer, { bodyStart, bodyEnd }: EventHeader): boolean {
  const start = bodyEnd - 5;
  if (buffer[start] !== 0x42 || buffer[start + 4] !== 0x4e) return false;
  const length = 13 + buffer.readUInt16LE(bodyStart + 11) + (buffer[bodyStart + 8] ?? 0) + 1;
  return bodyStart + length === start && buffer.toString('latin1', start, bodyEnd) === 'BEGIN';
}

/**
 * As row events under `log_bin_compress`: a byte of which the three lowest bits are the bytes of the length that
 * follows, and a zlib stream (MariaDB sql/log_event.cc, binlog_buf_uncompress).
 */
function inflateStatement(stored: Buffer): Buffer {
  const head = stored[0] ?? 0;
  if ((head & 0xf0) !== 0x80) throw new Error('A compressed statement has an unknown algorithm');
  return inflateSync(stored.subarray(1 + (head & 7)));
}

/**
 * The status variables that come before the character sets, with their lengths; 'text' has its length before it.
 * Source: MySQL libs/mysql/binlog/event/statement_events.h (Query_event_status_vars), which MariaDB shares.
 */
const STATUS_LENGTHS: Readonly<Record<number, number | 'text' | 'text and zero'>> = {
  0: 4, // flags2
  1: 8, // sql_mode
  2: 'text and zero', // catalog, as servers before 5.0.4 write it
  3: 4, // auto_increment_increment, auto_increment_offset
  5: 'text', // time zone
  6: 'text', // catalog
};
const CHARACTER_SETS = 4;

/** `character_set_client`, as the id of its default collation. */
function clientCollation(buffer: Buffer, start: number, end: number): number | undefined {
  let at = start;
  while (at < end) {
    const code = buffer[at] ?? 0;
    at++;
    // Of the client, of the connection, of the server: 2 bytes each.
    if (code === CHARACTER_SETS) return at + 2 <= end ? buffer.readUInt16LE(at) : undefined;
    const length = STATUS_LENGTHS[code];
    if (length === undefined) return undefined;
    if (typeof length === 'number') at += length;
    else at += 1 + (buffer[at] ?? 0) + (length === 'text and zero' ? 1 : 0);
  }
  return undefined;
}
