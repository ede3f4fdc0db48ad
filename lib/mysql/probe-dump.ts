import type { BinlogPlace } from '../change/position';
import { withDeadline } from '../support/abort';
import type { ControlConnection } from './control-connection';
import { EventType } from '../decode/event-header';
import { readStretch } from './read-stretch';

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
  start: BinlogPlace,
  outer: AbortSignal,
): Promise<DumpStart> {
  return withDeadline(FIRST_EVENTS_MILLIS, outer, async (signal) => {
    let fileCreatedAt = 0;
    await readStretch(
      control,
      start,
      (_buffer, header) => {
        if (header.type !== EventType.FORMAT_DESCRIPTION) return false;
        fileCreatedAt = header.timestamp;
        return true;
      },
      signal,
    );
    return { fileCreatedAt };
  });
}
