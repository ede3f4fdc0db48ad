import { readWatermark } from '../redis/scripts/watermark';
import type { RedisClient } from '../redis/redis-client';
import { sleep } from '../support/abort';

const POLL_MILLIS = 50;
/** A tail that publishes nothing for so long is taken for one that does not run. */
const PATIENCE_MILLIS = 15_000;
/** Instead of the wait for a tail. */
const PAUSE_MILLIS = 400;

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
      const until = performance.now() + PATIENCE_MILLIS;
      let now: number | undefined;
      let stopped = false;
      while (performance.now() < until) {
        const { watermark, nowMillis } = await readWatermark(this.client, this.name);
        stopped = watermark !== undefined;
        // Its clock has no more than milliseconds: what was committed by now was committed before the next one.
        now ??= nowMillis + 1;
        if (!watermark) break;
        if (watermark.atMillis >= now) return;
        await sleep(POLL_MILLIS, this.signal);
      }
      this.hasTail = false;
      this.warn(
        `No app of the name "${this.name}" tells that it keeps this cache up to date` +
          (stopped ? ' (the last one has stopped telling)' : '') +
          ': what is written meanwhile may give false alarms',
      );
    }
    await sleep(PAUSE_MILLIS, this.signal);
  }
}
