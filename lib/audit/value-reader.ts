/** Reads what is cached. */
export interface ValueReader {
  /** Throws where the text is none that it could have written. */
  deserialize(text: string): unknown;
}

/** JSON, which write-through writes. */
export const JSON_READER: ValueReader = { deserialize: (text) => JSON.parse(text) as unknown };
