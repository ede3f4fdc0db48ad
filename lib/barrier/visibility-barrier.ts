import type { TransactionPiece } from '../change/stream';
import type { VisibilityProbe } from './visibility-probe';

/** What was asked for before anybody had to wait for it. */
interface LookAhead {
  readonly last: TransactionPiece;
  /** Rejects with the reason of its signal. */
  readonly visible: Promise<unknown>;
}

/**
 * Waits until the transactions of a batch can be read on the source.
 *
 * The source sends a transaction before its commit makes it readable. A key that was removed in between could be
 * filled again with the old row by a reader that does nothing wrong, and would stay stale.
 */
export class VisibilityBarrier {
  private since: number | undefined;
  private ahead: LookAhead | undefined;

  constructor(private readonly probe: VisibilityProbe) {}

  /** Since when a batch waits, in milliseconds since 1970; undefined while none does. */
  get waitingSince(): number | undefined {
    return this.since;
  }

  /**
   * Resolves when everything that the batch changes can be read. Rejects only when the signal is aborted, with its
   * reason.
   */
  async pass(batch: readonly TransactionPiece[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.since = Date.now();
    try {
      await this.ahead?.visible;
      const asked = this.ahead ? batch.lastIndexOf(this.ahead.last) : 0;
      // What was asked ahead reaches beyond this batch, and holds for all of it.
      if (this.ahead && asked < 0) return;
      const rest = this.ahead ? batch.slice(asked + 1) : batch;
      this.ahead = undefined;
      await this.probe.untilVisible(rest, signal);
    } finally {
      this.since = undefined;
    }
  }

  /**
   * Asks for what waits behind the batch in hand, while that is being applied, so that the next batch need not wait.
   * `waiting` is all that comes next, in order.
   */
  lookAhead(waiting: readonly TransactionPiece[], nextRows: number, signal: AbortSignal): void {
    const last = waiting.at(-1);
    if (signal.aborted || !last || last === this.ahead?.last) return;
    if (this.ahead && !endsWithin(waiting, this.ahead.last, nextRows)) return;
    const pieces = this.ahead ? waiting.slice(waiting.lastIndexOf(this.ahead.last) + 1) : waiting;
    const visible = Promise.all([this.ahead?.visible, this.probe.untilVisible(pieces, signal)]);
    // `pass` waits for it, unless the batches are abandoned before.
    visible.catch(() => undefined);
    this.ahead = { last, visible };
  }

  /** Forgets what was asked ahead: it will not come. */
  forget(): void {
    this.ahead = undefined;
  }

  /** Closes the connection. A later `pass` opens another one. */
  close(): void {
    this.probe.close();
  }
}

/** Whether a piece stands among those that make up the next rows. */
function endsWithin(waiting: readonly TransactionPiece[], last: TransactionPiece, nextRows: number): boolean {
  let rows = 0;
  for (const piece of waiting) {
    if (piece === last) return true;
    rows += piece.items.length;
    if (rows >= nextRows) return false;
  }
  return true;
}
