/** A place in the binlog of one server. */
export interface BinlogPlace {
  readonly file: string;
  readonly offset: number;
}

/** A position in the source's binlog. */
export interface BinlogPosition {
  /** The binlog file, such as `binlog.000042`. */
  readonly file: string;
  /** The byte offset in that file. */
  readonly offset: number;
  /**
   * Every transaction up to this position: a MySQL GTID set (`uuid:1-5,…`) or a MariaDB GTID position (`0-1-1234,…`).
   * Absent if the source has no GTIDs.
   */
  readonly gtidSet?: string;
  /**
   * When the source began the file, in milliseconds since 1970. It distinguishes the file from another one of the same
   * name after the binlog started over.
   */
  readonly fileCreatedAt?: number;
}

/** An XA transaction that was prepared and not yet committed or rolled back, as a checkpoint records it. */
export interface PreparedTransaction {
  /** Format id, global transaction id, and branch qualifier: `1:6762:`. The last two are hexadecimal text. */
  readonly xid: string;
  /** Where its rows are on the server of the checkpoint. Absent once another server has taken over. */
  readonly at?: { readonly file: string; readonly offset: number };
  /** The tables that it changes, as far as they matter to the library. Absent if there are many. */
  readonly tables?: readonly { readonly schema: string; readonly table: string }[];
}

/** The furthest place that can be asked for: the dump command has an offset of 32 bits. */
export const MAX_DUMP_OFFSET = 2 ** 32 - 1;

/** The position of a change in the binlog: the place of its transaction, and the row within the transaction. */
export interface ChangePosition {
  /** The binlog file. */
  readonly file: string;
  /** The offset at which the transaction of the change starts. Reading from there delivers the transaction again. */
  readonly offset: number;
  /** The number of the row within the transaction, from 0. */
  readonly row: number;
}

/** `binlog.000042:1234` for messages. */
export function formatPosition(position: BinlogPlace): string {
  return `${position.file}:${position.offset}`;
}

/**
 * Orders two places of one source's binlog: negative when `a` is before `b`.
 *
 * Binlog files are numbered; the number grows beyond six digits after 999999, so that names are not
 * compared as strings.
 */
export function comparePositions(a: BinlogPlace, b: BinlogPlace): number {
  return fileNumber(a.file) - fileNumber(b.file) || a.offset - b.offset;
}

/** The number in the name of a binlog file; -1 where there is none. */
export function fileNumber(file: string): number {
  const digits = /\.(\d+)$/.exec(file);
  return digits ? Number(digits[1]) : -1;
}
