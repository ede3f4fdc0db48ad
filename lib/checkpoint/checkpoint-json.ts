import type { Checkpoint } from './checkpoint.store';

/** Reads a stored checkpoint. Throws when it is none: going on from a guess could skip changes. */
export function checkpointFromJson(text: string | null): Checkpoint | null {
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const { file, offset, gtidSet, fileCreatedAt, serverUuid, epoch } = (value ?? {}) as Record<
    string,
    unknown
  >;
  if (typeof file !== 'string' || typeof offset !== 'number') {
    throw new Error('The stored checkpoint is damaged: delete it to start anew, see `startAt`');
  }
  return {
    file,
    offset,
    ...(typeof gtidSet === 'string' ? { gtidSet } : {}),
    ...(typeof fileCreatedAt === 'number' ? { fileCreatedAt } : {}),
    ...(typeof serverUuid === 'string' ? { serverUuid } : {}),
    ...(typeof epoch === 'number' ? { epoch } : {}),
  };
}
