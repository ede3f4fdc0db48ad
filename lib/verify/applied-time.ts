import { readWatermark } from '../cache/watermark';
import type { RedisClient } from '../redis/redis-client';
import { sleep } from '../support/abort';

const POLL_MILLIS = 50;
/** A tail that publishes nothing for so long is taken for one that does not run. */
const PATIENCE_MILLIS = 15_000;
/** Instead of the wait for a tail. */
const PAUSE_MILLIS = 1_000;

/** Waits for the tail that keeps the cache right, which is in another process. */
export class AppliedTime {
  private hasTail = true;

  constructor(
    private readonly client: RedisClient,
    private readonly name: string,
    private readonly warn: (message: string) => void,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * Resolves when everything that was committed before the call is applied. Where nobody publishes how far the tail
   * is, that cannot be known: it warns once and only pauses then.
   */
  async passesNow(): Promise<void> {
    if (this.hasTail) {
      const now = await this.redisMillis();
      const until = performance.now() + PATIENCE_MILLIS;
      let first: number | undefined;
      while (performance.now() < until) {
        const mark = await readWatermark(this.client, this.name);
        if (!mark) break;
        if (mark.atMillis >= now) return;
        first ??= mark.atMillis;
        await sleep(POLL_MILLIS, this.signal);
      }
      this.hasTail = false;
      this.warn(
        `No app of the name "${this.name}" tells that it keeps this cache up to date` +
          (first === undefined ? '' : ' (the last one has stopped telling)') +
          ': what is written meanwhile may give false alarms',
      );
    }
    await sleep(PAUSE_MILLIS, this.signal);
  }

  /** Rounded up: what was committed by now was committed before. */
  private async redisMillis(): Promise<number> {
    const [seconds, micros] = await this.client.time();
    return Number(seconds) * 1_000 + Math.ceil(Number(micros) / 1_000);
  }
}
