import type { CommitMark, StreamItem, TransactionPiece } from '../pipeline/stream';
import type { BinlogPosition } from './position';

/** A transaction's rows are handed on in pieces of about this size, so that a huge one never stands in memory. */
const PIECE_ROWS = 1_000;
const PIECE_BYTES = 1024 * 1024;

/** Collects the changes of a transaction and hands them on: at its end, or piece by piece when it is huge. */
export class TransactionAssembler {
  private items: StreamItem[] = [];
  private bytes = 0;
  private rows = 0;
  private open = false;
  private explicit = false;
  private currentGtid: string | undefined;
  private startOffset = 0;
  private witness: CommitMark['witness'];

  constructor(
    private readonly deliver: (piece: TransactionPiece) => void,
    private readonly readUpTo: () => { file: string; offset: number },
  ) {}

  /** Whether a transaction has begun and not ended. */
  get isOpen(): boolean {
    return this.open;
  }

  /** Whether BEGIN (or what stands for it) was seen, so that only a commit ends it. */
  get isExplicit(): boolean {
    return this.explicit;
  }

  get gtid(): string | undefined {
    return this.currentGtid;
  }

  /** Where the transaction starts in its file. */
  get offset(): number {
    return this.startOffset;
  }

  /** A GTID event or, without one, BEGIN. */
  begin(startOffset: number, gtid: string | undefined): void {
    this.open = true;
    this.explicit = false;
    this.currentGtid = gtid;
    this.startOffset = startOffset;
    this.rows = 0;
    this.witness = undefined;
  }

  /** From here on only a commit ends the transaction. */
  makeExplicit(): void {
    this.explicit = true;
  }

  /** The number of the next row in the transaction. */
  nextRow(): number {
    return this.rows++;
  }

  add(item: StreamItem): void {
    this.items.push(item);
  }

  get hasWitness(): boolean {
    return this.witness !== undefined;
  }

  setWitness(witness: CommitMark['witness']): void {
    this.witness = witness;
  }

  /** Accounts for an event's size; hands on a piece when enough has come together. */
  addBytes(bytes: number): void {
    this.bytes += bytes;
    if (this.items.length >= PIECE_ROWS || this.bytes >= PIECE_BYTES) this.hand(undefined);
  }

  /** The transaction, or a single event outside of any, is over. */
  end(position: BinlogPosition): void {
    this.hand(position);
    this.open = false;
    this.explicit = false;
    this.currentGtid = undefined;
    this.witness = undefined;
  }

  private mark(end: BinlogPosition | undefined): CommitMark {
    const { file, offset } = end ?? this.readUpTo();
    return { file, offset, gtid: this.currentGtid, witness: this.witness };
  }

  private hand(end: BinlogPosition | undefined): void {
    const piece: TransactionPiece = {
      items: this.items,
      bytes: this.bytes,
      end,
      gtid: end && this.currentGtid,
      mark: this.items.length === 0 ? undefined : this.mark(end),
    };
    this.items = [];
    this.bytes = 0;
    this.deliver(piece);
  }
}
