import type { CommitMark, StreamItem, TransactionPiece } from '../../change/stream';
import type { EventGroupFate } from './event-group-fate';
import type { BinlogPlace, BinlogPosition } from '../../change/position';
import { Savepoints } from './savepoints';

/** A transaction's rows are handed on in pieces of about this size, so that a huge one never stands in memory. */
const PIECE_ROWS = 1_000;
const PIECE_BYTES = 1024 * 1024;
/** So much is held back until the end of the transaction says whether it came true. */
const HELD_ROWS = 4_000;
const HELD_BYTES = 4 * 1024 * 1024;

/** How far a transaction had come. */
interface Progress {
  readonly items: number;
  readonly witness: CommitMark['witness'];
}

/**
 * Collects the changes of a transaction and hands them on at its end, when it is known that they came true. One that is
 * too large to wait for has its fate looked up, and goes on piece by piece.
 */
export class TransactionAssembler {
  private items: StreamItem[] = [];
  /** The number of the row event that each item came with. */
  private rowEvents: number[] = [];
  private rowEvent = -1;
  private bytes = 0;
  private rows = 0;
  private open = false;
  private explicit = false;
  private currentGtid: string | undefined;
  private startOffset = 0;
  private witness: CommitMark['witness'];
  private apart = false;
  private readonly savepoints = new Savepoints<Progress>();
  private fate: EventGroupFate | undefined;

  constructor(
    private readonly deliver: (piece: TransactionPiece) => void,
    private readonly readUpTo: () => BinlogPlace,
    /** What stays of an item that was rolled back. */
    private readonly remainsOf: (item: StreamItem) => StreamItem | undefined,
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

  /** Whether nobody can wait for the end: the fate has to be looked up before more is read. */
  get isTooLarge(): boolean {
    return !this.fate && this.open && (this.items.length >= HELD_ROWS || this.bytes >= HELD_BYTES);
  }

  /** A GTID event or, without one, BEGIN. */
  begin(startOffset: number, gtid: string | undefined): void {
    this.open = true;
    this.explicit = false;
    this.currentGtid = gtid;
    this.startOffset = startOffset;
    this.rows = 0;
    this.rowEvent = -1;
    this.witness = undefined;
    this.apart = false;
    this.fate = undefined;
    this.savepoints.clear();
  }

  /** From here on only a commit ends the transaction. */
  makeExplicit(): void {
    this.explicit = true;
  }

  /** The transaction is committed apart from the binlog, which therefore says nothing of when it can be read. */
  commitsApart(): void {
    this.apart = true;
  }

  /** Its rows are read once more, from the first one. */
  readAgain(): void {
    this.rowEvent = -1;
  }

  /** A row event comes. False: its rows are known never to have come true. */
  startRowEvent(): boolean {
    this.rowEvent++;
    return this.fate === undefined || !this.isUndone(this.fate, this.rowEvent);
  }

  /** The number of the next row in the transaction. */
  nextRow(): number {
    return this.rows++;
  }

  add(item: StreamItem): void {
    this.items.push(item);
    this.rowEvents.push(this.rowEvent);
  }

  get hasWitness(): boolean {
    return this.witness !== undefined;
  }

  setWitness(witness: CommitMark['witness']): void {
    this.witness = witness;
  }

  /** Accounts for an event's size; hands on a piece when enough has come together and may go. */
  addBytes(bytes: number): void {
    this.bytes += bytes;
    if (this.fate && (this.items.length >= PIECE_ROWS || this.bytes >= PIECE_BYTES)) this.hand(undefined);
  }

  savepoint(name: string): void {
    // What is undone is known row event by row event.
    if (!this.fate) this.savepoints.set(name, { items: this.items.length, witness: this.witness });
  }

  /** Takes back what came after a savepoint. False: there is none of that name, and all that came so far is unclear. */
  rollbackTo(name: string): boolean {
    if (this.fate) return true;
    const progress = this.savepoints.rollbackTo(name);
    this.undo(progress ?? { items: 0, witness: undefined }, () => true);
    return progress !== undefined;
  }

  /** What becomes of the transaction is known before its end. */
  settle(fate: EventGroupFate): void {
    this.undo({ items: 0, witness: this.witness }, (rowEvent) => this.isUndone(fate, rowEvent));
    if (fate.end === 'rolled-back') this.witness = undefined;
    this.fate = fate;
    this.addBytes(0);
  }

  /** The transaction, or a single event outside of any, is over. */
  end(
    position: BinlogPosition,
    prepared?: TransactionPiece['prepared'],
    gtids?: TransactionPiece['gtids'],
  ): void {
    while (this.items.length > PIECE_ROWS) this.hand(undefined);
    this.hand(position, prepared, gtids);
    this.open = false;
    this.explicit = false;
    this.currentGtid = undefined;
    this.witness = undefined;
    this.apart = false;
    this.fate = undefined;
    this.savepoints.clear();
  }

  /** The transaction ends with ROLLBACK. */
  rollBack(): void {
    this.undo({ items: 0, witness: undefined }, () => true);
  }

  /** The transaction never ended: the server was killed while it wrote it. */
  drop(): void {
    this.items = [];
    this.rowEvents = [];
    this.bytes = 0;
    this.open = false;
    this.explicit = false;
    this.currentGtid = undefined;
    this.witness = undefined;
    this.fate = undefined;
    this.savepoints.clear();
  }

  private isUndone(fate: EventGroupFate, rowEvent: number): boolean {
    return fate.end !== 'committed' || rowEvent < fate.unclearBefore || fate.isUndone(rowEvent);
  }

  /** Takes back what came after `progress` and is undone; what stays of it stays in its place. */
  private undo(progress: Progress, isUndone: (rowEvent: number) => boolean): void {
    const { items, rowEvents } = this;
    this.items = items.slice(0, progress.items);
    this.rowEvents = rowEvents.slice(0, progress.items);
    for (let at = progress.items; at < items.length; at++) {
      const item = items[at] as StreamItem;
      const rowEvent = rowEvents[at] as number;
      const rest = isUndone(rowEvent) ? this.remainsOf(item) : item;
      if (!rest) continue;
      this.items.push(rest);
      this.rowEvents.push(rowEvent);
    }
    this.witness = progress.witness;
  }

  private mark(end: BinlogPosition | undefined): CommitMark {
    const { file, offset } = end ?? this.readUpTo();
    const { currentGtid: gtid, witness, apart } = this;
    return { file, offset, gtid, witness, apart };
  }

  private hand(
    end: BinlogPosition | undefined,
    prepared?: TransactionPiece['prepared'],
    gtids?: TransactionPiece['gtids'],
  ): void {
    const isAll = end !== undefined || this.items.length <= PIECE_ROWS;
    const items = isAll ? this.items : this.items.slice(0, PIECE_ROWS);
    const bytes = isAll ? this.bytes : Math.round((this.bytes * items.length) / this.items.length);
    this.items = isAll ? [] : this.items.slice(PIECE_ROWS);
    if (isAll) this.rowEvents.length = 0;
    else this.rowEvents = this.rowEvents.slice(PIECE_ROWS);
    this.bytes -= bytes;
    this.deliver({
      items,
      bytes,
      end,
      gtid: end && this.currentGtid,
      mark: items.length === 0 ? undefined : this.mark(end),
      prepared,
      gtids,
    });
  }
}
