import { crc32 } from 'node:zlib';

/** Event types that matter here: MySQL libs/mysql/binlog/event/binlog_event.h, MariaDB sql/log_event.h. */
export const EventType = {
  QUERY: 2,
  ROTATE: 4,
  FORMAT_DESCRIPTION: 15,
  XID: 16,
  EXECUTE_LOAD_QUERY: 18,
  TABLE_MAP: 19,
  INCIDENT: 26,
  HEARTBEAT: 27,
  GTID: 33,
  ANONYMOUS_GTID: 34,
  XA_PREPARE: 38,
  PARTIAL_UPDATE_ROWS: 39,
  TRANSACTION_PAYLOAD: 40,
  GTID_TAGGED: 42,
  MARIADB_GTID: 162,
  MARIADB_QUERY_COMPRESSED: 165,
} as const;

/** Length of the common header of every event. */
const HEADER_LENGTH = 19;
const CHECKSUM_LENGTH = 4;
/** LOG_EVENT_ARTIFICIAL_F: made up by the dump thread, not in the file; its position means nothing. */
const ARTIFICIAL_FLAG = 0x20;

/**
 * Rotate events: position 8, file name. They come before the format description of their file, so that only the
 * checksum itself can tell whether there is one.
 */
export function readRotate(buffer: Buffer, start: number, end: number): { file: string; offset: number } {
  const body = start + HEADER_LENGTH;
  const checked = end - CHECKSUM_LENGTH;
  const hasChecksum = crc32(buffer.subarray(start, checked)) === buffer.readUInt32LE(checked);
  return {
    file: buffer.toString('utf8', body + 8, hasChecksum ? checked : end),
    offset: Number(buffer.readBigUInt64LE(body)),
  };
}

/**
 * Format description events end with the checksum algorithm of their file (0 none, 1 CRC32) and, whatever that is,
 * a checksum of their own (MySQL libs/mysql/binlog/event/control_events.h, Format_description_event).
 */
export function readChecksumFlag(buffer: Buffer, end: number): boolean {
  const CRC32 = 1;
  return buffer[end - CHECKSUM_LENGTH - 1] === CRC32;
}

/** The common header: timestamp 4, type 1, server id 4, size 4, end position 4, flags 2; little-endian. */
export interface EventHeader {
  readonly type: number;
  /** Milliseconds since 1970, in whole seconds. */
  readonly timestamp: number;
  readonly serverId: number;
  /** Where the event ends in its file; 0 for artificial events and inside MariaDB's transactions. */
  readonly endOffset: number;
  readonly size: number;
  /** Where the event's own data start in the buffer. */
  readonly bodyStart: number;
  /** Where they end; the checksum is left out. */
  readonly bodyEnd: number;
}

export function readHeader(buffer: Buffer, start: number, end: number, checksum: boolean): EventHeader {
  const artificial = (buffer.readUInt16LE(start + 17) & ARTIFICIAL_FLAG) !== 0;
  return {
    type: buffer[start + 4] ?? 0,
    timestamp: buffer.readUInt32LE(start) * 1000,
    serverId: buffer.readUInt32LE(start + 5),
    size: buffer.readUInt32LE(start + 9),
    endOffset: artificial ? 0 : buffer.readUInt32LE(start + 13),
    bodyStart: start + HEADER_LENGTH,
    bodyEnd: end - (checksum ? CHECKSUM_LENGTH : 0),
  };
}

/** GTID events: flags 1, source uuid 16, number 8 (MySQL libs/mysql/binlog/event/control_events.h). */
export class GtidReader {
  /** The uuid of the event before, which is most often that of the next one, and its text. */
  private readonly uuid = Buffer.alloc(16);
  private prefix = '';

  read(buffer: Buffer, bodyStart: number): string {
    const start = bodyStart + 1;
    if (this.prefix === '' || this.uuid.compare(buffer, start, start + 16) !== 0) {
      buffer.copy(this.uuid, 0, start, start + 16);
      const hex = this.uuid.toString('hex');
      const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
      this.prefix = `${parts.join('-')}:`;
    }
    const high = buffer.readUInt32LE(bodyStart + 21);
    // BigInts are slow, and only a number beyond 2^53 needs one.
    if (high >= 2 ** 21) return `${this.prefix}${buffer.readBigUInt64LE(bodyStart + 17)}`;
    return `${this.prefix}${high * 2 ** 32 + buffer.readUInt32LE(bodyStart + 17)}`;
  }
}

/** What MariaDB's GTID events tell of the group of events that they begin. */
export interface MariadbGtid {
  readonly gtid: string;
  /** A single statement that is a transaction of its own. */
  readonly standalone: boolean;
  /** Rows of XA PREPARE, which may be rolled back yet; there is no XA START before them. */
  readonly prepared: boolean;
}

/** MariaDB's GTID events: number 8, domain 4, flags 1; the server id is the header's (sql/log_event.h). */
export function readMariadbGtid(buffer: Buffer, header: EventHeader): MariadbGtid {
  const number = buffer.readBigUInt64LE(header.bodyStart);
  const domain = buffer.readUInt32LE(header.bodyStart + 8);
  const flags = buffer[header.bodyStart + 12] ?? 0;
  const FL_STANDALONE = 1;
  const FL_PREPARED_XA = 64;
  return {
    gtid: `${domain}-${header.serverId}-${number}`,
    standalone: (flags & FL_STANDALONE) !== 0,
    prepared: (flags & FL_PREPARED_XA) !== 0,
  };
}
