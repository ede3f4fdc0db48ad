import { setMaxListeners } from 'node:events';
import { LeadershipLostError } from '../errors/group.errors';
import { messageOf } from '../errors/cacheflow.error';
import { sleep } from '../support/abort';

/** So often in its life a lock is confirmed: a lost answer costs nothing yet. */
const CONFIRMATIONS = 3;

/** A timer that fires later than this tells that the process had no time to listen. */
const LATE_MILLIS = 500;

/** How long a lock is ours: until it could not be confirmed for as long as the server keeps it for us. */
export class LockLife {
  private readonly ending = new AbortController();
  private confirmedAt: number;
  private timer: NodeJS.Timeout | undefined;
  private renewing: Promise<void> | undefined;
  /** When the question was sent that has no answer yet. */
  private unansweredSince: number | undefined;

  /**
   * @param confirmedAt when the question was sent whose answer was that the lock is ours
   * @param silent what it is when the server does not answer
   */
  constructor(
    private readonly lifeMillis: number,
    confirmedAt: number,
    private readonly silent: () => Error,
  ) {
    // Each question whether the group has caught up adds a listener.
    setMaxListeners(0, this.ended);
    this.confirmedAt = confirmedAt;
    this.arm();
  }

  get ended(): AbortSignal {
    return this.ending.signal;
  }

  get isOver(): boolean {
    if (!this.ended.aborted && performance.now() >= this.confirmedAt + this.lifeMillis) this.expire();
    return this.ended.aborted;
  }

  /** Confirms it again and again, until it ends. `confirm` rejects where it is no longer ours. */
  renew(confirm: () => Promise<void>): void {
    this.renewing = this.run(confirm);
  }

  end(reason: Error): void {
    clearTimeout(this.timer);
    this.ending.abort(reason);
  }

  /** Resolves when nothing is being confirmed any more. */
  async settled(): Promise<void> {
    await this.renewing;
  }

  private async run(confirm: () => Promise<void>): Promise<void> {
    const { ended } = this;
    try {
      for (;;) {
        await sleep(this.lifeMillis / CONFIRMATIONS, ended);
        const askedAt = performance.now();
        this.unansweredSince = askedAt;
        await confirm();
        this.unansweredSince = undefined;
        ended.throwIfAborted();
        this.confirmedAt = askedAt;
        this.arm();
      }
    } catch (error) {
      if (!this.isOver) this.end(error instanceof Error ? error : new Error(messageOf(error)));
    }
  }

  private arm(): void {
    clearTimeout(this.timer);
    const left = this.confirmedAt + this.lifeMillis - performance.now();
    this.timer = setTimeout(() => this.expire(), Math.max(0, left));
  }

  private expire(): void {
    const { unansweredSince, lifeMillis } = this;
    // A process that was held up itself comes here late, or has had no time to wait for the answer.
    const now = performance.now();
    const lateMillis = now - this.confirmedAt - lifeMillis;
    const waitedMillis = unansweredSince === undefined ? 0 : now - unansweredSince;
    const hasWaited = lateMillis < LATE_MILLIS && waitedMillis > lifeMillis / CONFIRMATIONS / 2;
    const frozen = `This process was held up for so long (${lifeMillis} ms, by a busy event loop or a freeze) that another one may lead the group by now`;
    this.end(hasWaited ? this.silent() : new LeadershipLostError(frozen));
  }
}
