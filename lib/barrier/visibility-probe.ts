import { formatPosition } from '../change/position';
import type { MysqlSourceOptions, ReconnectOptions } from '../options/cacheflow.options';
import type { ErrorReporter } from '../errors/error-reporter';
import { untilAborted } from '../support/abort';
import { Backoff } from '../support/backoff';
import { Mutex } from '../support/mutex';
import { BarrierAlarm } from './barrier-alarm';
import type { BarrierSession } from './barrier-session';
import { openBarrierSession } from './barrier-session';
import { replicaTargetOf, sourceTargetOf } from './barrier-target';
import type { CommitMark, TransactionPiece } from '../change/stream';
import { untilReplicaShows, untilSourceShows } from './barrier-waits';

/** What a probe works with. */
export interface ProbeContext {
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

interface Question {
  /** The last transaction that is asked for. */
  readonly last: CommitMark;
  readonly ask: (session: BarrierSession) => Promise<void>;
}

/** Asks the source, or a replica, whether transactions can be read there, over a connection of its own. */
export class VisibilityProbe {
  private session: BarrierSession | undefined;
  /** One question after the other: they share the connection, and who finds it broken replaces it. */
  private readonly turns = new Mutex();

  constructor(private readonly context: ProbeContext) {}

  /**
   * Resolves when the transactions can be read. What goes wrong is reported and tried again: it rejects only when the
   * signal is aborted, with its reason.
   */
  async untilVisible(pieces: readonly TransactionPiece[], signal: AbortSignal): Promise<void> {
    const question = this.questionFor(pieces, signal);
    if (!question) return;
    await this.turns.run(async () => {
      signal.throwIfAborted();
      const alarm = this.alarmFor(question.last);
      try {
        await this.answer(question, alarm, signal);
      } catch (error) {
        // It may still be busy with the question.
        this.close();
        throw error;
      } finally {
        alarm.stop();
      }
    });
  }

  /** Closes the connection. A later question opens another one. */
  close(): void {
    this.session?.control.close();
    this.session = undefined;
  }

  private questionFor(pieces: readonly TransactionPiece[], signal: AbortSignal): Question | undefined {
    if (this.context.replica) {
      const target = replicaTargetOf(pieces);
      return target && { last: target.last, ask: (session) => untilReplicaShows(session, target, signal) };
    }
    const target = sourceTargetOf(pieces);
    return target && { last: target.last, ask: (session) => untilSourceShows(session, target, signal) };
  }

  private async answer({ ask }: Question, alarm: BarrierAlarm, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.context.reconnect);
    for (;;) {
      try {
        const session = await this.connected(signal);
        if (session) return await untilAborted(ask(session), signal);
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

  private alarmFor(last: CommitMark): BarrierAlarm {
    const { replica, mysql, errors } = this.context;
    const { socketPath, host = '127.0.0.1', port = 3306 } = replica ?? mysql;
    const advice = replica
      ? 'Look whether it replicates (SHOW REPLICA STATUS) and is a replica of the source'
      : 'Look for a commit that hangs there: semi-synchronous replication without a replica, a full disk';
    const wish = `the transaction ${last.gtid ?? `at ${formatPosition(last)}`}`;
    return new BarrierAlarm(errors, socketPath ?? `${host}:${port}`, wish, advice);
  }
}
