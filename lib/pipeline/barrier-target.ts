import type { CommitMark, TransactionPiece, WitnessRow } from './stream';

/** What a batch has to wait for. */
export interface BarrierTarget {
  /** Of the last transaction, which is the last to become readable. */
  readonly last: CommitMark;
  /** The transactions of a MySQL server with GTIDs, as a GTID set; undefined without any. */
  readonly gtidSet: string | undefined;
  /** The last transaction of each of MariaDB's GTID domains; undefined without any. */
  readonly domainGtids: string | undefined;
  /** The pieces with items whose transaction has no MySQL GTID. */
  readonly others: readonly TransactionPiece[];
}

const MARIADB_GTID = /^(\d+)-\d+-\d+$/;

/** Undefined for a batch that changes nothing. */
export function targetOf(batch: readonly TransactionPiece[]): BarrierTarget | undefined {
  const gtids = new GtidRanges();
  const domains = new Map<string, string>();
  const others: TransactionPiece[] = [];
  let last: CommitMark | undefined;
  for (const piece of batch) {
    const { mark } = piece;
    if (!mark) continue;
    last = mark;
    // Only MySQL's have a colon.
    if (mark.gtid?.includes(':')) {
      gtids.add(mark.gtid);
      continue;
    }
    const domain = mark.gtid === undefined ? undefined : MARIADB_GTID.exec(mark.gtid)?.[1];
    if (mark.gtid !== undefined && domain !== undefined) domains.set(domain, mark.gtid);
    others.push(piece);
  }
  if (!last) return undefined;
  return {
    last,
    gtidSet: gtids.toString() || undefined,
    domainGtids: [...domains.values()].join(',') || undefined,
    others,
  };
}

/** What the transactions without a GTID are known by, from the last one back to the first that has a witness. */
export interface RowTarget {
  readonly witness: WitnessRow | undefined;
  /** Where the witness's transaction stands. */
  readonly witnessMark: CommitMark | undefined;
  /** Tables that a statement changed as a whole: it holds their metadata lock until it is over. */
  readonly tables: readonly { readonly schema: string; readonly table: string }[];
  /** The last transaction after the witness's of which nothing can be asked but its position. */
  readonly unproven: CommitMark | undefined;
  /** Whether not even the position tells: an XA transaction is committed apart from the binlog. */
  readonly untold: boolean;
}

export function rowTargetOf(pieces: readonly TransactionPiece[]): RowTarget {
  const tables = new Map<string, { schema: string; table: string }>();
  let unproven: CommitMark | undefined;
  let untold = false;
  for (const { mark, items } of [...pieces].reverse()) {
    const witness = mark?.witness?.();
    if (witness) return { witness, witnessMark: mark, tables: [...tables.values()], unproven, untold };
    for (const item of items) {
      const flushed = item.kind === 'flush' ? item.table : undefined;
      if (flushed?.table !== undefined) {
        tables.set(`${flushed.schema}.${flushed.table}`, { schema: flushed.schema, table: flushed.table });
      } else {
        unproven ??= mark;
        untold ||= item.kind === 'flush' && !flushed;
      }
    }
  }
  return { witness: undefined, witnessMark: undefined, tables: [...tables.values()], unproven, untold };
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
