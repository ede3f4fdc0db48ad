import { Backoff } from '../support/backoff';
import type { BrokerConnection } from './broker-connection';

export interface ConsumerLoopContext {
  readonly connection: BrokerConnection;
  /** What the queue does when a round has failed, for the report: `does not hand out messages`. */
  readonly failure: string;
  /** Consumes until the channel breaks, `stopping` is aborted, or it wants another round. Rejects if that failed. */
  readonly round: (signals: ConsumerSignals, onServing: () => void) => Promise<void>;
}

export interface ConsumerSignals {
  /** Takes no more. */
  readonly stopping: AbortSignal;
  /** Leaves what is in hand to whoever gets it next. */
  readonly cutOff: AbortSignal;
}

/** Consumes a queue, round after round, until it is stopped. A round that failed is reported, and followed by a wait. */
export class ConsumerLoop {
  private readonly stopping = new AbortController();
  private readonly cutOff = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly context: ConsumerLoopContext) {}

  start(): void {
    this.running ??= this.run();
  }

  /** Takes no more, and waits for what is in hand; `cutOff` leaves that to whoever gets it next. */
  async stop(reason: Error, cutOff: AbortSignal): Promise<void> {
    this.stopping.abort(reason);
    const onCutOff = (): void => this.cutOff.abort(reason);
    if (cutOff.aborted) onCutOff();
    cutOff.addEventListener('abort', onCutOff, { once: true });
    await this.running;
    cutOff.removeEventListener('abort', onCutOff);
  }

  private async run(): Promise<void> {
    const { connection, failure, round } = this.context;
    const stopping = this.stopping.signal;
    const signals = { stopping, cutOff: this.cutOff.signal };
    const backoff = new Backoff({ minMillis: 50, maxMillis: 5_000 });
    while (!stopping.aborted) {
      try {
        await round(signals, () => backoff.reset());
      } catch (cause) {
        if (stopping.aborted) return;
        connection.report(failure, cause);
        // Rejects only at the stop, which ends the loop.
        await backoff.wait(stopping).catch(() => undefined);
      }
    }
  }
}
