import type { BinlogPlace } from '../change/position';
import { randomInt } from 'node:crypto';
import { untilAborted } from '../support/abort';
import type { ControlConnection } from './control-connection';
import type { EventHeader } from '../decode/event-header';
import { EventType, readChecksumFlag, readHeader } from '../decode/event-header';
import type { ReplicationSession } from './zongji';
import { openReplicationSession } from './zongji';

/** A source that answers queries but sends no event in this time counts as out of reach. Large events take their time. */
const SILENCE_MILLIS = 30_000;
const HEARTBEAT_MILLIS = 1_000;

/** Looks at an event, and says whether it has seen enough. While a promise is pending, nothing more is read. */
export type SeeEvent = (buffer: Buffer, header: EventHeader) => boolean | Promise<boolean>;

/**
 * Reads a stretch of the binlog again, over a replication connection of its own, until `see` has seen enough. Rejects
 * with what breaks it, or when nothing but heartbeats comes.
 *
 * @param start where an event begins, which may be a file's first (4)
 */
export async function readStretch(
  control: ControlConnection,
  start: BinlogPlace,
  see: SeeEvent,
  outer: AbortSignal,
): Promise<void> {
  // An id that no tail will have.
  const serverId = 1 + randomInt(2 ** 30 - 1);
  const closing = new AbortController();
  const onOuter = (): void => closing.abort(outer.reason);
  outer.addEventListener('abort', onOuter, { once: true });
  if (outer.aborted) onOuter();
  const { signal } = closing;
  let silence: NodeJS.Timeout | undefined;
  const expectMore = (): void => {
    clearTimeout(silence);
    silence = setTimeout(
      () => closing.abort(new Error(`The source sent no event of the binlog for ${SILENCE_MILLIS} ms`)),
      SILENCE_MILLIS,
    );
  };
  let done!: () => void;
  let fail!: (error: unknown) => void;
  const finished = new Promise<void>((resolve, reject) => {
    done = resolve;
    fail = reject;
  });
  finished.catch(() => undefined);
  let session: ReplicationSession | undefined;
  let checksum = true;
  let seenEnough = false;
  let isOver = false;
  const goOn = (enough: boolean): void => {
    seenEnough = enough;
    if (enough) return done();
    if (isOver) return;
    expectMore();
    session?.resume();
  };
  const onEvent = (buffer: Buffer, from: number, end: number): true => {
    if (seenEnough) return true;
    const header = readHeader(buffer, from, end, checksum);
    if (header.type === EventType.HEARTBEAT) return true;
    if (header.type === EventType.FORMAT_DESCRIPTION) checksum = readChecksumFlag(buffer, end);
    const enough = see(buffer, header);
    if (typeof enough === 'boolean') {
      seenEnough = enough;
      if (enough) done();
      else silence?.refresh();
      return true;
    }
    clearTimeout(silence);
    session?.pause();
    enough.then(goOn, fail);
    return true;
  };
  expectMore();
  try {
    session = await openReplicationSession(
      { control: control.raw, serverId, start, heartbeatMillis: HEARTBEAT_MILLIS, signal },
      { onEvent, onGtid: () => undefined, onError: fail },
    );
    await untilAborted(finished, signal);
  } finally {
    // What `see` is still busy with must not go on here.
    isOver = true;
    clearTimeout(silence);
    session?.close();
    outer.removeEventListener('abort', onOuter);
  }
}
