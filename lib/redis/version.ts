import { fileNumber } from '../binlog/position';

/** A row number above that of any row: of what concerns a table as a whole, after all rows of its transaction. */
const AFTER_ALL_ROWS = 9_999_999_999;

/**
 * A change's place in the history of its source, as a string that compares in the order of the changes: the epoch,
 * which grows whenever the source becomes another one or its binlog begins anew; then file, offset and row. Digits
 * of fixed width, because Redis compares strings in Lua by its locale, and digits have one order in all of them.
 */
export function versionOf(
  epoch: number,
  position: { readonly file: string; readonly offset: number; readonly row?: number },
): string {
  const file = Math.max(0, fileNumber(position.file));
  const row = position.row ?? AFTER_ALL_ROWS;
  return `${digits(epoch, EPOCH_DIGITS)}.${digits(file, 10)}.${digits(position.offset, 15)}.${digits(row, 10)}`;
}

/** How many characters of a version are its epoch. */
export const EPOCH_DIGITS = 8;

function digits(number: number, width: number): string {
  return String(number).padStart(width, '0');
}
