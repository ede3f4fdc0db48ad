import type { ChaosRow } from './tables';

/** The value of a row: its JSON, with binary columns as base64. */
export function cacheValue(row: ChaosRow): string {
  const entries = Object.entries(row).map(([column, value]): [string, unknown] => [
    column,
    Buffer.isBuffer(value) ? value.toString('base64') : value,
  ]);
  return JSON.stringify(Object.fromEntries(entries));
}
