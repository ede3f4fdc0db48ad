import { randomInt } from 'node:crypto';
import { untilAborted, withDeadline } from '../support/abort';
import type { ControlConnection } from './control-connection';
import { EventType, readHeader } from './event-header';
import { openReplicationSession } from './zongji';

/** A source that answers queries but sends no event in this time counts as out of reach. */
const FIRST_EVENTS_MILLIS = 10_000;

/** What the first events of a stream tell. */
export interface DumpStart {
  /** When the source began the file, in milliseconds since 1970. */
  readonly fileCreatedAt: number;
}

/** Streams until the file has introduced itself. Rejects with the server's error when it refuses. */
export async function probeDump(
  control: ControlConnection,
  start: { file: string; offset: number },
  outer: AbortSignal,
): Promise<DumpStart> {
  // An id that no tail will have; the session ends at once.
  const serverId = 1 + randomInt(2 ** 30 - 1);
  return withDeadline(FIRST_EVENTS_MILLIS, outer, async (signal) => {
    let onFormat!: (start: DumpStart) => void;
    let onError!: (error: Error) => void;
    const first = new Promise<DumpStart>((resolve, reject) => {
      onFormat = resolve;
      onError = reject;
    });
    first.catch(() => undefined);
    const session = await openReplicationSession(
      { control: control.raw, serverId, start, heartbeatMillis: 1_000, signal },
      {
        onEvent: (buffer, from, end) => {
          const header = readHeader(buffer, from, end, true);
          if (header.type === EventType.FORMAT_DESCRIPTION) onFormat({ fileCreatedAt: header.timestamp });
          return true;
        },
        onParsed: () => undefined,
        onError: (error) => onError(error),
      },
    );
    try {
      return await untilAborted(first, signal);
    } finally {
      session.close();
    }
  });
}
