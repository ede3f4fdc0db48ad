import { messageOf } from '../errors/cacheflow.error';
import type { ErrorReporter } from '../errors/error-reporter';
import { SourceUnavailableError, VisibilityStalledError } from '../errors/source.errors';

const FIRST_MILLIS = 5_000;
const NEXT_MILLIS = 10_000;

/** Tells of one wait that takes long: a failure at once, silence after 5 s, and both again every 10 s. */
export class BarrierAlarm {
  private timer: NodeJS.Timeout;
  private reported = false;
  private reachable = true;
  private readonly startedAt = performance.now();

  constructor(
    private readonly errors: ErrorReporter,
    /** The server that is waited for. */
    private readonly server: string,
    /** What is waited for there, and what may be done about it. */
    private readonly wish: string,
    private readonly advice: string,
  ) {
    this.timer = setTimeout(() => this.onTime(), FIRST_MILLIS);
  }

  /** The connection failed, and is tried again. */
  failed(cause: unknown): void {
    this.reachable = false;
    if (this.reported) return;
    this.restart();
    this.errors.report(
      new SourceUnavailableError(
        `The visibility barrier cannot ask ${this.server} (${messageOf(cause)}); invalidations wait, trying again`,
        { cause },
      ),
    );
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private onTime(): void {
    this.restart();
    // The next failure is told again as well.
    this.reported = false;
    const seconds = Math.round((performance.now() - this.startedAt) / 1_000);
    this.errors.report(
      new VisibilityStalledError(
        `Invalidations have waited ${seconds} s for ${this.server} to show ${this.wish}. ` +
          (this.reachable
            ? this.advice
            : 'It could not be asked: look whether it is up, and at its host, port and login'),
      ),
    );
  }

  private restart(): void {
    this.reported = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.onTime(), NEXT_MILLIS);
  }
}
