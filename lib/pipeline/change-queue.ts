import { untilAborted } from '../support/abort';
import type { TransactionPiece } from '../change/stream';

/** The bounds of the queue. */
export interface QueueBounds {
  readonly maxRows: number;
  readonly maxBytes: number;
}

/** Size of the events of one batch, so that wide rows do not make it a long one. */
const BATCH_BYTES = 1024 * 1024;

/** What waits between the tail and the pipeline: bounded, in commit order. */
export class ChangeQueue {
  private pieces: TransactionPiece[] = [];
  private rows = 0;
  private bytes = 0;
  private full = false;
  private closed = false;
  /** Pieces that were taken and not yet done. */
  private inHand: readonly TransactionPiece[] = [];
  private wake: (() => void) | undefined;
  private onDrained: (() => void) | undefined;

  constructor(
    private readonly bounds: QueueBounds,
    /** Told when the reader of the stream has to stop, and when it may go on. */
    private readonly onFull: (full: boolean) => void,
  ) {}

  /** Rows that wait or are being applied. */
  get size(): number {
    return this.rows;
  }

  /** When the oldest change that waits or is being applied was made on the source; undefined without one. */
  get oldestTimestamp(): number | undefined {
    for (const piece of [...this.inHand, ...this.pieces]) {
      const row = piece.items.find((item) => item.kind === 'row');
      if (row) return row.timestamp;
    }
    return undefined;
  }

  /** Nothing waits and nothing is being applied. */
  get isIdle(): boolean {
    return this.pieces.length === 0 && this.inHand.length === 0;
  }

  /** What waits, in order. */
  get waiting(): readonly TransactionPiece[] {
    return this.pieces;
  }

  /** Resolves when nothing waits and nothing is being applied. */
  async drained(signal: AbortSignal): Promise<void> {
    while (!this.isIdle && !this.closed) {
      await untilAborted(
        new Promise<void>((resolve) => {
          this.onDrained = resolve;
        }),
        signal,
      );
    }
  }

  push(piece: TransactionPiece): void {
    if (this.closed) return;
    this.pieces.push(piece);
    this.rows += weightOf(piece);
    this.bytes += piece.bytes;
    if (!this.full && (this.rows >= this.bounds.maxRows || this.bytes >= this.bounds.maxBytes)) {
      this.full = true;
      this.onFull(true);
    }
    this.wake?.();
  }

  /**
   * All that is queued, up to about `maxRows`, as one batch; waits for the first piece. Undefined once the
   * queue is closed. What is taken counts as queued until `done` is called for it.
   */
  async take(maxRows: number): Promise<TransactionPiece[] | undefined> {
    while (this.pieces.length === 0 && !this.closed) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = undefined;
    }
    if (this.closed) return undefined;
    let rows = 0;
    let bytes = 0;
    let count = 0;
    while (count < this.pieces.length && (count === 0 || (rows < maxRows && bytes < BATCH_BYTES))) {
      rows += this.pieces[count]?.items.length ?? 0;
      bytes += this.pieces[count]?.bytes ?? 0;
      count++;
    }
    const batch = this.pieces.splice(0, count);
    this.inHand = batch;
    return batch;
  }

  /** A batch that was taken has been applied. */
  done(batch: readonly TransactionPiece[]): void {
    this.inHand = [];
    this.release(batch);
    if (this.isIdle) this.onDrained?.();
  }

  /** Drops what waits. What was taken stays in hand until `done` is called for it. */
  clear(): void {
    const dropped = this.pieces;
    this.pieces = [];
    this.release(dropped);
    if (this.isIdle) this.onDrained?.();
  }

  private release(pieces: readonly TransactionPiece[]): void {
    for (const piece of pieces) {
      this.rows -= weightOf(piece);
      this.bytes -= piece.bytes;
    }
    if (this.full && this.rows <= this.bounds.maxRows / 2 && this.bytes <= this.bounds.maxBytes / 2) {
      this.full = false;
      this.onFull(false);
    }
  }

  /** Drops what waits and ends `take`. What was dropped is read again from the checkpoint. */
  close(): void {
    this.closed = true;
    this.pieces = [];
    this.wake?.();
    this.onDrained?.();
  }
}

/** Transactions without a watched row take memory too. */
function weightOf(piece: TransactionPiece): number {
  return Math.max(1, piece.items.length);
}
