import { formatPosition } from '../binlog/position';
import type { MysqlSourceOptions, ReconnectOptions } from '../cacheflow.options';
import type { ErrorReporter } from '../errors/error-reporter';
import { untilAborted } from '../support/abort';
import { Backoff } from '../support/backoff';
import { BarrierAlarm } from './barrier-alarm';
import type { BarrierSession } from './barrier-session';
import { openBarrierSession } from './barrier-session';
import type { BarrierTarget } from './barrier-target';
import { targetOf } from './barrier-target';
import { untilReplicaShows, untilSourceShows } from './barrier-waits';
import type { TransactionPiece } from './stream';

/** What a barrier works with. */
export interface BarrierContext {
  readonly mysql: MysqlSourceOptions;
  /** The replica that is waited for instead of the source. */
  readonly replica: MysqlSourceOptions | undefined;
  readonly reconnect: Required<ReconnectOptions>;
  readonly errors: ErrorReporter;
  /** The identity of the server that the stream comes from (`ServerInfo.identity`), when it is known. */
  sourceIdentity(): string | undefined;
  /** The source's address leads to another server than the stream comes from. */
  onOtherServer(): void;
}

/**
 * Waits until the transactions of a batch can be read on the source.
 *
 * The source sends a transaction before its commit makes it readable. A key that was removed in between could be
 * filled again with the old row by a reader that does nothing wrong, and would stay stale.
 */
export class VisibilityBarrier {
  private session: BarrierSession | undefined;
  private since: number | undefined;
  /** Pieces that were waited for together with an earlier batch. */
  private readonly visible = new WeakSet<TransactionPiece>();

  constructor(private readonly context: BarrierContext) {}

  /** Since when a batch waits, in milliseconds since 1970; undefined while none does. */
  get waitingSince(): number | undefined {
    return this.since;
  }

  /**
   * Resolves when everything that the batch changes can be read, and a backlog that waits behind it, for which nobody
   * has to ask again. What goes wrong is reported and tried again: it rejects only when the signal is aborted, with
   * its reason.
   */
  async pass(
    batch: readonly TransactionPiece[],
    backlog: readonly TransactionPiece[],
    signal: AbortSignal,
  ): Promise<void> {
    if (batch.every((piece) => !piece.mark || this.visible.has(piece))) return;
    const pieces = [...batch, ...backlog];
    const target = targetOf(pieces);
    if (!target) return;
    signal.throwIfAborted();
    this.since = Date.now();
    const alarm = this.alarmFor(target);
    try {
      await this.wait(target, alarm, signal);
      for (const piece of pieces) this.visible.add(piece);
    } catch (error) {
      // It may still be busy with the question.
      this.close();
      throw error;
    } finally {
      alarm.stop();
      this.since = undefined;
    }
  }

  /** Closes the connection. A later `pass` opens another one. */
  close(): void {
    this.session?.control.close();
    this.session = undefined;
  }

  private async wait(target: BarrierTarget, alarm: BarrierAlarm, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.context.reconnect);
    for (;;) {
      try {
        const session = await this.connected(signal);
        if (session) {
          const ask = this.context.replica ? untilReplicaShows : untilSourceShows;
          return await untilAborted(ask(session, target, signal), signal);
        }
        this.context.onOtherServer();
      } catch (cause) {
        signal.throwIfAborted();
        this.close();
        alarm.failed(cause);
      }
      await backoff.wait(signal);
    }
  }

  /** The connection; undefined where it leads to another server than the stream comes from. */
  private async connected(signal: AbortSignal): Promise<BarrierSession | undefined> {
    if (this.session && !(this.session.control.isOpen && this.isRightServer(this.session))) this.close();
    this.session ??= await openBarrierSession(this.context.replica ?? this.context.mysql, signal);
    if (this.isRightServer(this.session)) return this.session;
    this.close();
    return undefined;
  }

  private isRightServer({ server }: BarrierSession): boolean {
    const identity = this.context.sourceIdentity();
    return this.context.replica !== undefined || identity === undefined || identity === server.identity;
  }

  private alarmFor({ last }: BarrierTarget): BarrierAlarm {
    const { replica, mysql, errors } = this.context;
    const { socketPath, host = '127.0.0.1', port = 3306 } = replica ?? mysql;
    const advice = replica
      ? 'Look whether it replicates (SHOW REPLICA STATUS) and is a replica of the source'
      : 'Look for a commit that hangs there: semi-synchronous replication without a replica, a full disk';
    const wish = `the transaction ${last.gtid ?? `at ${formatPosition(last)}`}`;
    return new BarrierAlarm(errors, socketPath ?? `${host}:${port}`, wish, advice);
  }
}
