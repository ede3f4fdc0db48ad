/**
 * The name of an XA transaction: format id, global transaction id and branch qualifier, both as hexadecimal text. The
 * same transaction has the same text, however the binlog writes it.
 */
export type Xid = string;

const STATEMENT = /^XA\s+\w+\s+X'([\da-f]*)'\s*,\s*X'([\da-f]*)'\s*,\s*(\d+)/i;

/** Of a statement as servers write it: `XA COMMIT X'67',X'62',1`. Undefined for any other form. */
export function xidOfStatement(statement: string): Xid | undefined {
  const match = STATEMENT.exec(statement);
  if (!match) return undefined;
  const [, gtrid = '', bqual = '', format = ''] = match;
  return xidOf(BigInt.asUintN(32, BigInt(format)).toString(), gtrid, bqual);
}

/** What an XA_PREPARE event holds. */
export interface XaPrepare {
  readonly xid: Xid;
  /** XA COMMIT … ONE PHASE: the transaction is committed with it. */
  readonly onePhase: boolean;
}

/**
 * XA_PREPARE events: one phase 1, format id 4, length of the global transaction id 4, of the branch qualifier 4, both
 * (MySQL sql/log_event.cc, XA_prepare_log_event; MariaDB sql/log_event_server.cc).
 */
export function readXaPrepare(buffer: Buffer, bodyStart: number): XaPrepare {
  const gtridLength = buffer.readUInt32LE(bodyStart + 5);
  const bqualLength = buffer.readUInt32LE(bodyStart + 9);
  const start = bodyStart + 13;
  const gtridEnd = start + gtridLength;
  return {
    onePhase: buffer[bodyStart] !== 0,
    xid: xidOf(
      buffer.readUInt32LE(bodyStart + 1).toString(),
      buffer.toString('hex', start, gtridEnd),
      buffer.toString('hex', gtridEnd, gtridEnd + bqualLength),
    ),
  };
}

function xidOf(format: string, gtrid: string, bqual: string): Xid {
  return `${format}:${gtrid.toLowerCase()}:${bqual.toLowerCase()}`;
}
