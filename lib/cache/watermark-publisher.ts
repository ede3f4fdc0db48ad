import type { Checkpoint } from '../options/checkpoint.store';
import { groupKeys } from '../redis/scripts/group';
import { guardedSet } from '../redis/scripts/guarded-set';
import { watermarkKey } from '../redis/own-keys';
import type { RedisConnection } from '../redis/redis-connection';
import type { RewindGuard } from '../redis/rewind-guard';
import { sleep, untilAborted, withDeadline } from '../support/abort';
import { readWatermark, watermarkToJson } from '../redis/scripts/watermark';

/** How long one round may take; the next one asks anew. */
const ROUND_MILLIS = 10_000;
/** How often a standby looks whether it leads. */
const LOOK_MILLIS = 100;

export interface WatermarkContext {
  readonly name: string;
  readonly intervalMillis: number;
  readonly redis: RedisConnection;
  readonly guard: RewindGuard;
  /** Whether this process is the one that knows. */
  isOurs(): boolean;
  /** Resolves when everything that was committed before the call is applied, with the position of all that was. */
  caughtUp(signal: AbortSignal): Promise<Checkpoint | undefined>;
}

/** Finds out again and again up to when the cache is right, and tells it to all processes of the group. */
export class WatermarkPublisher {
  private running: Promise<void> | undefined;
  private readonly ending = new AbortController();

  constructor(private readonly context: WatermarkContext) {}

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.ending.abort(new Error('The watermark is no longer published'));
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.ending;
    while (!signal.aborted) {
      // What keeps it from going on keeps the tail from it too, which reports it; readers see an old watermark meanwhile.
      const { isOurs, intervalMillis } = this.context;
      const ours = isOurs();
      if (ours) await this.attempt(signal);
      // A new leader tells at once how fresh the cache is.
      await sleep(ours ? intervalMillis : Math.min(intervalMillis, LOOK_MILLIS), signal).catch(
        () => undefined,
      );
    }
  }

  private async attempt(signal: AbortSignal): Promise<void> {
    await withDeadline(ROUND_MILLIS, signal, (deadline) => this.round(deadline)).catch(() => undefined);
  }

  private async round(signal: AbortSignal): Promise<void> {
    const { name, redis, guard, intervalMillis } = this.context;
    const { watermark, nowMillis } = await untilAborted(readWatermark(redis.client, name), signal);
    // One process of the group is enough: the source is asked once in an interval, however many there are.
    if (watermark && nowMillis - watermark.atMillis < intervalMillis / 2) return;
    const position = await this.context.caughtUp(signal);
    const value = watermarkToJson({ atMillis: nowMillis, gtidSet: position?.gtidSet });
    // Not over that of a later leader.
    const fence =
      position?.term === undefined
        ? undefined
        : { group: groupKeys(redis.client, name).group, term: position.term };
    await untilAborted(guardedSet(redis.client, guard, { key: watermarkKey(name), value, fence }), signal);
  }
}
