import type { ChaosRow } from './tables';

/** What stands at a key while a reader loads the row. Readers take it for a miss, and so does the check. */
export const PLACEHOLDER = 'filling:';

/** The value of a row: its JSON, with binary columns as base64. */
export function cacheValue(row: ChaosRow): string {
  const entries = Object.entries(row).map(([column, value]): [string, unknown] => [
    column,
    Buffer.isBuffer(value) ? value.toString('base64') : value,
  ]);
  return JSON.stringify(Object.fromEntries(entries));
}
