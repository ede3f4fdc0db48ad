import type { Row } from '../change/change-event';

/**
 * A value as part of a key: binary as lowercase hex, `Date` as ISO 8601, JSON as its text, all else as it prints.
 * NULL stays null and an absent column undefined.
 */
export function keyText(value: unknown): string | null | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (value === null || value === undefined) return value;
  if (Buffer.isBuffer(value)) return value.toString('hex');
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '0000-00-00' : value.toISOString();
  return typeof value === 'object' ? JSON.stringify(value) : String(value as bigint | boolean);
}

/** The text of a column; undefined where the row does not have it, whatever Object.prototype may have of that name. */
export function columnText(row: Row, column: string): string | null | undefined {
  return Object.hasOwn(row, column) ? keyText(row[column]) : undefined;
}
