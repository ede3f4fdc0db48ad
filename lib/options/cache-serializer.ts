/**
 * Turns values into text for Redis and back: the values that readers cache and the rows that write-through writes.
 * The library calls both functions synchronously. Each must undo the other.
 */
export interface CacheSerializer {
  /** Turns a value into text. `null` stands for "there is no such row". If it throws, the value is not cached. */
  serialize(value: unknown): string;
  /** Turns a text back into its value. If it throws, the value is loaded again. */
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
