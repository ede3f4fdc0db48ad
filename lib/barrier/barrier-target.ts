import { isMysqlGtid, splitMariadbGtid } from '../change/gtid';
import type { CommitMark, TransactionPiece, WitnessRow } from '../change/stream';
import type { TableName } from '../change/table-name';
import { nameOf } from '../change/table-name';

/** What a transaction is known by: its GTID of MySQL, or a row that it changed. */
export type Known = { readonly gtid: string } | Witness;

export interface Witness {
  readonly witness: WitnessRow;
  /** Where its transaction stands. */
  readonly mark: CommitMark;
}

/**
 * What the source itself is asked for. It makes transactions readable in the order of its binlog, so that the last one
 * stands for all before it (`binlog_order_commits`, which the preflight asks for; MariaDB has no other order).
 */
export interface SourceTarget {
  /** Of the last transaction. */
  readonly last: CommitMark;
  /** The last transaction that can be asked for; undefined without any. */
  readonly known: Known | undefined;
  /** Tables that a later statement changed as a whole: it holds their metadata lock until it is over. */
  readonly tables: readonly TableName[];
  /** The last transaction after the known one of which nothing can be asked but its position. */
  readonly unproven: CommitMark | undefined;
  /** Whether not even the position tells: an XA transaction is committed apart from the binlog. */
  readonly untold: boolean;
}

/** What a replica is asked for, which may apply transactions in another order. */
export interface ReplicaTarget {
  /** Of the last transaction. */
  readonly last: CommitMark;
  /** The transactions of a MySQL server with GTIDs, as a GTID set; undefined without any. */
  readonly gtidSet: string | undefined;
  /** The last transaction of each of MariaDB's GTID domains; undefined without any. */
  readonly domainGtids: string | undefined;
  /** Whether each transaction has a GTID of MySQL. */
  readonly allHaveGtids: boolean;
}

/** Undefined for pieces that change nothing. */
export function sourceTargetOf(pieces: readonly TransactionPiece[]): SourceTarget | undefined {
  const tables = new Map<string, TableName>();
  let last: CommitMark | undefined;
  let known: Known | undefined;
  let unproven: CommitMark | undefined;
  let untold = false;
  for (let at = pieces.length - 1; at >= 0 && !known; at--) {
    const { mark, items } = pieces[at] as TransactionPiece;
    if (!mark) continue;
    last ??= mark;
    known = knownBy(mark);
    if (known) continue;
    for (const item of items) {
      const flushed = item.kind === 'flush' ? item.table : undefined;
      if (flushed?.table !== undefined) {
        const table = { schema: flushed.schema, table: flushed.table };
        tables.set(nameOf(table), table);
      } else {
        unproven ??= mark;
        untold ||= item.kind === 'flush' && !flushed;
      }
    }
  }
  return last && { last, known, tables: [...tables.values()], unproven, untold };
}

function knownBy(mark: CommitMark): Known | undefined {
  if (isMysqlGtid(mark.gtid)) return { gtid: mark.gtid };
  const witness = mark.witness?.();
  return witness && { witness, mark };
}

/** Undefined for pieces that change nothing. */
export function replicaTargetOf(pieces: readonly TransactionPiece[]): ReplicaTarget | undefined {
  const gtids = new GtidRanges();
  const domains = new Map<number, string>();
  let last: CommitMark | undefined;
  let allHaveGtids = true;
  for (const { mark } of pieces) {
    if (!mark) continue;
    last = mark;
    const { gtid } = mark;
    if (isMysqlGtid(gtid)) {
      gtids.add(gtid);
      continue;
    }
    allHaveGtids = false;
    const domain = gtid === undefined ? undefined : splitMariadbGtid(gtid)?.domain;
    if (gtid !== undefined && domain !== undefined) domains.set(domain, gtid);
  }
  if (!last) return undefined;
  return {
    last,
    gtidSet: gtids.toString() || undefined,
    domainGtids: [...domains.values()].join(',') || undefined,
    allHaveGtids,
  };
}

/** Digits of which a number is exact. */
const SAFE_DIGITS = 15;

/** A GTID set of transactions that mostly follow each other. */
class GtidRanges {
  private readonly parts: string[] = [];
  /** `uuid:` of the range in hand; it comes with each of thousands of transactions. */
  private source = '';
  private from = 0;
  private to = 0;

  add(gtid: string): void {
    const digits = gtid.length - this.source.length;
    if (this.source !== '' && digits <= SAFE_DIGITS && gtid.startsWith(this.source)) {
      const number = Number(gtid.slice(this.source.length));
      if (number === this.to || number === this.to + 1) {
        this.to = number;
        return;
      }
    }
    this.close();
    const start = gtid.lastIndexOf(':') + 1;
    if (gtid.length - start > SAFE_DIGITS) {
      this.parts.push(gtid);
      return;
    }
    this.source = gtid.slice(0, start);
    this.from = this.to = Number(gtid.slice(start));
  }

  toString(): string {
    this.close();
    return this.parts.join(',');
  }

  private close(): void {
    if (this.source !== '') this.parts.push(`${this.source}${this.from}-${this.to}`);
    this.source = '';
  }
}
