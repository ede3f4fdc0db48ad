import type { Column } from './column';
import { columnTypeName } from './column-type';
import { CorruptEventError } from './cursor';

/** A row event that cannot be read. The message names the place and never holds a value. */
export class RowDecodeError extends Error {
  override readonly name = 'RowDecodeError';

  constructor(
    readonly eventType: number,
    /** The row's number in its event, from 1 on; 0 for the event's head. */
    readonly row: number,
    readonly column: Column | undefined,
    cause: unknown,
  ) {
    const event = `event of type ${eventType}`;
    const place = column ? `, column ${column.name} (${columnTypeName(column.map.type)})` : '';
    super(
      `${row === 0 ? `An ${event}` : `Row ${row} of an ${event}${place}`} cannot be decoded: ${reasonOf(cause)}.`,
    );
  }
}

/**
 * What went wrong, without values: our own errors are written that way, Node's range errors speak of offsets
 * and zlib's of the stream. Of anything else only the kind is told.
 */
function reasonOf(error: unknown): string {
  if (error instanceof CorruptEventError) return error.message;
  const { name, code } = error as { name?: string; code?: string };
  return code ?? name ?? 'an unknown error';
}
