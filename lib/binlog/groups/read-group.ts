import { messageOf } from '../../errors/cacheflow.error';
import type { ControlConnection } from '../../mysql/control-connection';
import type { EventHeader } from '../../decode/event-header';
import type { GroupFate } from './group-fate';
import { FateScan } from './group-fate';
import { readStretch } from '../../mysql/read-stretch';
import { classifySourceError } from '../../mysql/source-faults';

/** The events of a group are no longer where they were. */
export class GroupUnreadableError extends Error {}

/** What becomes of the group of events that begins at this place. Rejects with GroupUnreadableError, or with what breaks the connection. */
export async function lookAhead(
  control: ControlConnection,
  at: { file: string; offset: number },
  signal: AbortSignal,
): Promise<GroupFate> {
  const scan = new FateScan();
  let fate: GroupFate | undefined;
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
  return fate as GroupFate;
}

/** Goes over the events of a group that is whole; nothing is read while a promise of `see` is pending. */
export async function readGroup(
  control: ControlConnection,
  at: { file: string; offset: number },
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
    throw new GroupUnreadableError(messageOf(cause), { cause });
  }
}
