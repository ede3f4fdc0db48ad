import type { BinlogPosition, PreparedTransaction } from '../change/position';
import { comparePositions } from '../change/position';
import type { GtidTracker } from '../change/gtid-tracker';
import type { Checkpoint } from '../options/checkpoint.store';

/** What the positions of a stream belong to. */
export interface PositionOrigin {
  /** The identity of the server. */
  readonly serverUuid: string;
  readonly epoch: number;
  /** Of the leader that reads it; absent without a group. */
  readonly term?: number;
  /** See `Checkpoint`. */
  readonly redisMasters?: readonly string[];
}

interface Waiter {
  readonly target: BinlogPosition;
  readonly resolve: () => void;
}

/** How far everything was applied, and who waits for it. */
export class AppliedPosition {
  private current: Checkpoint | undefined;
  private origin: PositionOrigin | undefined;
  private gtids: GtidTracker | undefined;
  private sameServer = false;
  private readonly waiters = new Set<Waiter>();

  get value(): Checkpoint | undefined {
    return this.current;
  }

  /** Another value for each stream. */
  get stream(): PositionOrigin | undefined {
    return this.origin;
  }

  /** The identity of the server that the stream comes from. */
  get identity(): string | undefined {
    return this.origin?.serverUuid;
  }

  /**
   * Where a tail starts or goes on, if everything up to there is applied; on the same server the place in the files
   * never goes back.
   */
  start(
    position: BinlogPosition | undefined,
    origin: PositionOrigin,
    gtids: GtidTracker | undefined,
    sameServer: boolean,
  ): void {
    this.origin = origin;
    this.gtids = gtids;
    this.sameServer = sameServer;
    this.current = position && { ...position, ...origin };
    this.wake();
  }

  /** All that stand before the position that is moved to next, which were not known so far. */
  useGtids(gtids: GtidTracker): void {
    this.gtids ??= gtids;
  }

  addGtid(gtid: string): void {
    this.gtids?.add(gtid);
  }

  /** A batch was applied, whose last whole transaction ends at `end`, where these XA transactions are prepared. */
  moveTo(end: BinlogPosition, prepared?: readonly PreparedTransaction[]): Checkpoint {
    // A resume by GTID reads the file from its start, though it delivers only what is new.
    const place = this.hasReached(end) && this.current && this.sameServer ? this.current : end;
    this.current = {
      file: place.file,
      offset: place.offset,
      ...(place.fileCreatedAt === undefined ? {} : { fileCreatedAt: place.fileCreatedAt }),
      ...(this.gtids ? { gtidSet: this.gtids.toString() } : {}),
      ...(prepared ? { prepared } : {}),
      ...this.origin,
    };
    this.wake();
    return this.current;
  }

  /** Resolves when everything up to the target was applied; the signal ends the wait with its reason. */
  async reach(target: BinlogPosition, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.hasReached(target)) return;
    await new Promise<void>((resolve, reject) => {
      const waiter: Waiter = {
        target,
        resolve: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = (): void => {
        this.waiters.delete(waiter);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.waiters.add(waiter);
    });
  }

  hasReached(target: BinlogPosition): boolean {
    return this.current !== undefined && comparePositions(this.current, target) >= 0;
  }

  private wake(): void {
    for (const waiter of this.waiters) {
      if (!this.hasReached(waiter.target)) continue;
      this.waiters.delete(waiter);
      waiter.resolve();
    }
  }
}
