import { fileNumber } from '../change/position';

/** A row number above that of any row: of what concerns a table as a whole, after all rows of its transaction. */
const AFTER_ALL_ROWS = 9_999_999_999;

/**
 * Makes versions: a change's place in the history of its source, as a string that compares in the order of the changes:
 * the epoch, which grows whenever the source becomes another one or its binlog begins anew; then file, offset and row.
 * Digits of fixed width, because Redis compares strings in Lua by its locale, and digits have one order in all of them.
 */
export class Versions {
  /** The file of the version before, which is most often that of the next one. */
  private file: string | undefined;
  private start = '';

  constructor(private readonly epoch: number) {}

  of(position: { readonly file: string; readonly offset: number; readonly row?: number }): string {
    if (position.file !== this.file) {
      this.file = position.file;
      const number = Math.max(0, fileNumber(position.file));
      this.start = `${digits(this.epoch, EPOCH_DIGITS)}.${digits(number, 10)}`;
    }
    return `${this.start}.${digits(position.offset, 15)}.${digits(position.row ?? AFTER_ALL_ROWS, 10)}`;
  }
}

/** How many characters of a version are its epoch. */
export const EPOCH_DIGITS = 8;

function digits(number: number, width: number): string {
  return String(number).padStart(width, '0');
}
