import type { BinlogPlace } from '../../change/position';
import { messageOf } from '../../errors/cacheflow.error';
import type { ControlConnection } from '../../mysql/control-connection';
import type { EventHeader } from '../../decode/event-header';
import type { EventGroupFate } from './event-group-fate';
import { FateScan } from './event-group-fate';
import { readStretch } from '../../mysql/read-stretch';
import { classifySourceError } from '../../mysql/source-faults';

/** The events of an event group are no longer where they were. */
export class EventGroupUnreadableError extends Error {}

/**
 * What becomes of the event group that begins at this place.
 *
 * @throws EventGroupUnreadableError, or what breaks the connection
 */
export async function lookAhead(
  control: ControlConnection,
  at: BinlogPlace,
  signal: AbortSignal,
): Promise<EventGroupFate> {
  const scan = new FateScan();
  let fate: EventGroupFate | undefined;
  await guarded(
    readStretch(
      control,
      at,
      (buffer, header) => {
        fate = scan.see(buffer, header);
        return fate !== undefined;
      },
      signal,
    ),
  );
  return fate as EventGroupFate;
}

/** Goes over the events of an event group that is whole; nothing is read while a promise of `see` is pending. */
export async function readEventGroup(
  control: ControlConnection,
  at: BinlogPlace,
  signal: AbortSignal,
  see: (buffer: Buffer, header: EventHeader) => Promise<void> | undefined,
): Promise<void> {
  const scan = new FateScan();
  await guarded(
    readStretch(
      control,
      at,
      (buffer, header) => {
        if (scan.see(buffer, header)) return true;
        return see(buffer, header)?.then(() => false) ?? false;
      },
      signal,
    ),
  );
}

async function guarded(reading: Promise<void>): Promise<void> {
  try {
    await reading;
  } catch (cause) {
    if (classifySourceError(cause) !== 'position-lost') throw cause;
    throw new EventGroupUnreadableError(messageOf(cause), { cause });
  }
}
