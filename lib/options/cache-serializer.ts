/**
 * How values are kept in Redis: those that readers cache, and the rows that write-through writes. Both functions are
 * called synchronously and have to undo each other.
 */
export interface CacheSerializer {
  /** The text of a value; `null` stands for "there is no such row". May throw: the value is not cached then. */
  serialize(value: unknown): string;
  /** The value of a text. May throw: the value is loaded anew then. */
  deserialize(text: string): unknown;
}

/** JSON, with the binary columns of a row as base64. */
export const jsonSerializer: CacheSerializer = {
  serialize: (value) =>
    JSON.stringify(Array.isArray(value) ? value.map(withoutBuffers) : withoutBuffers(value)),
  deserialize: (text) => JSON.parse(text) as unknown,
};

/** A row as it goes into JSON: a Buffer there would become a list of numbers. */
function withoutBuffers(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Buffer.isBuffer(value)) return value.toString('base64');
  const row = value as Record<string, unknown>;
  // What a class says of itself goes before its fields, which may be none of anybody's business.
  if (typeof row['toJSON'] === 'function') return withoutBuffers(row['toJSON']());
  let copy: Record<string, unknown> | undefined;
  for (const column in row) {
    const field = row[column];
    if (!Buffer.isBuffer(field)) continue;
    copy ??= { ...row };
    copy[column] = field.toString('base64');
  }
  return copy ?? value;
}
