/**
 * The options of a mysql2 connection that change how a value reads. Rows are decoded so that they equal what
 * mysql2's `SELECT *` returns under the same options.
 *
 * The other options that change values (`typeCast`, `charset` other than utf8mb4) have no counterpart here.
 */
export interface ValueOptions {
  /**
   * 'local', 'Z' or '+08:00'; how mysql2 reads a DATE, DATETIME or TIMESTAMP.
   *
   * A TIMESTAMP is an instant in the binlog but a wall clock of the session's time zone in a SELECT. Both
   * agree where the session's `time_zone` is this time zone, which mysql2 presumes too.
   *
   * @defaultValue 'local'
   */
  timezone?: string;
  /** Leave DATE, DATETIME and TIMESTAMP as text, or those types alone that are listed. */
  dateStrings?: boolean | string[];
  /** DECIMAL as a number. */
  decimalNumbers?: boolean;
  /**
   * A BIGINT beyond 2^53 as an exact string; false makes it an inexact number.
   *
   * @defaultValue true, unlike mysql2: two ids that become the same number would share a key.
   */
  supportBigNumbers?: boolean;
  /** Every BIGINT as a string; as with mysql2 only beside `supportBigNumbers: true`. */
  bigNumberStrings?: boolean;
  /** JSON as text. */
  jsonStrings?: boolean;
}

/** Whether `dateStrings` asks for text, by mysql2's name of the type (mysql2 `lib/helpers.js`, typeMatch). */
export function asDateString(options: ValueOptions, type: 'DATE' | 'DATETIME' | 'TIMESTAMP'): boolean {
  const { dateStrings } = options;
  return Array.isArray(dateStrings) ? dateStrings.includes(type) : Boolean(dateStrings);
}
