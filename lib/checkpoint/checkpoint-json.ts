import type { PreparedTransaction } from '../change/position';
import type { TableName } from '../change/table-name';
import type { Checkpoint } from '../options/checkpoint.store';

/** Reads a stored checkpoint. Throws when it is none: going on from a guess could skip changes. */
export function checkpointFromJson(text: string | null): Checkpoint | null {
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const { file, offset, gtidSet, fileCreatedAt, serverUuid, epoch, prepared, term, redisMasters } = (value ??
    {}) as Record<string, unknown>;
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
    ...(typeof term === 'number' ? { term } : {}),
    ...(Array.isArray(prepared) ? { prepared: prepared.flatMap(preparedFromJson) } : {}),
    ...(Array.isArray(redisMasters) ? { redisMasters: redisMasters.map(String) } : {}),
  };
}

/** One that cannot be read is left out: its XA COMMIT will be one of a transaction that nobody knows. */
function preparedFromJson(value: unknown): PreparedTransaction[] {
  const { xid, at, tables } = (value ?? {}) as Record<string, unknown>;
  if (typeof xid !== 'string') return [];
  const { file, offset } = (at ?? {}) as Record<string, unknown>;
  const isPlaced = typeof file === 'string' && typeof offset === 'number';
  const isListed = Array.isArray(tables) && tables.every(isTableName);
  return [{ xid, ...(isPlaced ? { at: { file, offset } } : {}), ...(isListed ? { tables } : {}) }];
}

function isTableName(value: unknown): value is TableName {
  const { schema, table } = (value ?? {}) as Record<string, unknown>;
  return typeof schema === 'string' && typeof table === 'string';
}
