import type { BinlogPosition } from '../change/position';
import { comparePositions } from '../change/position';
import { SourceStalledError } from '../errors/source.errors';
import type { ControlConnection, ServerInfo } from '../mysql/control-connection';
import { BinlogResetError } from '../mysql/source-faults';
import { createGtidTracker } from '../mysql/zongji';
import { sleep } from '../support/abort';
import type { BinlogSource } from './binlog.source';
import type { Lag } from './lag';
import type { ResumeContext } from './resume-point';
import { RetentionWatch } from './retention-watch';

/** How often the source is asked for its position: for the lag, and to tell a quiet source from a dead one. */
const POLL_MILLIS = 5_000;

/** A connection that streams. */
export interface Streaming {
  readonly source: BinlogSource;
  readonly control: ControlConnection;
  readonly server: ServerInfo;
}

/** Asks the source now and then how far it is: whether the tail lags, and whether the stream is still alive. */
export class SourceWatch {
  /** The source's own position when it was last asked. */
  private position: BinlogPosition | undefined;
  /** When it was first seen that the source is ahead, in milliseconds since 1970; undefined while it is not. */
  private behindSince: number | undefined;

  constructor(
    private readonly context: Pick<ResumeContext, 'config' | 'errors' | 'queue' | 'position' | 'cache'>,
    private readonly ended: AbortSignal,
  ) {}

  get lag(): Lag {
    const { position: applied, queue } = this.context;
    const { position, behindSince } = this;
    const unread = position !== undefined && !applied.hasReached(position) ? behindSince : undefined;
    const oldest = queue.oldestTimestamp ?? unread;
    const at = applied.value;
    const isSameFile = position !== undefined && at?.file === position.file;
    return {
      millis: oldest === undefined ? 0 : Math.max(0, Date.now() - oldest),
      bytes: isSameFile ? Math.max(0, position.offset - at.offset) : undefined,
    };
  }

  /** Rejects when the source is gone although the connection does not say so, or when the tail ends. */
  async run(streaming: Streaming): Promise<never> {
    const { config, position, cache, errors } = this.context;
    const { source, control } = streaming;
    const retention = await RetentionWatch.of(control);
    for (;;) {
      await sleep(Math.min(POLL_MILLIS, config.watchdogMillis), this.ended);
      await cache.checkRewind(this.ended);
      const read = source.readUpTo;
      const now = await control.currentPlace();
      this.position = now;
      if (comparePositions(now, read) < 0) throw new BinlogResetError();
      if (position.value && position.value.gtidSet === undefined) await findGtids(streaming);
      const warning = retention.warning(this.lag.millis);
      if (warning) errors.warn(warning);
      if (position.hasReached(now)) this.behindSince = undefined;
      else this.behindSince ??= Date.now();
      const isAhead = comparePositions(now, source.readUpTo) > 0;
      if (isAhead && source.silentMillis > config.watchdogMillis) {
        throw new SourceStalledError(
          `The replication connection has been silent for ${source.silentMillis} ms although the source went on; it is replaced`,
        );
      }
    }
  }
}

/** GTIDs may have been switched on since the start: with them a failover is survived. */
async function findGtids({ source, control, server: known }: Streaming): Promise<void> {
  if (known.flavor !== 'mysql') return;
  const server = await control.serverInfo();
  if (!server.gtid) return;
  const { gtidSet, ...place } = await control.currentPosition(server);
  if (gtidSet !== undefined) source.expectGtids(place, await createGtidTracker('mysql', gtidSet));
}
