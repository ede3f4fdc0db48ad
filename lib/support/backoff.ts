import { sleep } from './abort';

/** Waits that double from `minMillis` to `maxMillis`, each shortened at random by up to a half (jitter). */
export class Backoff {
  private attempt = 0;

  constructor(private readonly bounds: { readonly minMillis: number; readonly maxMillis: number }) {}

  /** Rejects when the signal is aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    const full = Math.min(this.bounds.minMillis * 2 ** this.attempt++, this.bounds.maxMillis);
    await sleep(full * (0.5 + Math.random() / 2), signal);
  }

  /** The next wait is a short one again. */
  reset(): void {
    this.attempt = 0;
  }
}
