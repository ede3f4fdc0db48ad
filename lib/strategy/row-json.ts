import type { Row } from '../events/change-event';

/** The JSON of a row as write-through stores it: `JSON.stringify`, with binary columns as base64. */
export function rowToJson(row: Row): string {
  let copy: Row | undefined;
  for (const column in row) {
    const value = row[column];
    if (Buffer.isBuffer(value)) {
      copy ??= { ...row };
      copy[column] = value.toString('base64');
    }
  }
  return JSON.stringify(copy ?? row);
}
