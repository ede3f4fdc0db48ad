import { escape } from 'mysql2';
import type { ColumnDefinition } from '../decode/column';
import type { ValueOptions } from '../decode/value-options';
import { asDateString } from '../decode/value-options';
import { quoteText } from '../mysql/sql-text';

/**
 * What the text of a column in a key stands for:
 * - `sql`: the SQL that finds every row with this text (and maybe others, which have to be sorted out)
 * - `impossible`: no value of the column has this text
 * - `unknown`: it cannot be turned back for sure
 */
export type KeyLiteral = { readonly sql: string } | 'impossible' | 'unknown';

/** Into these the server turns any text; elsewhere it refuses to compare what it cannot turn. */
const UNICODE = /^(utf8|utf16|utf32|ucs2)/;
const ASCII = /^[ -~]*$/;

const INTEGER = /^-?\d{1,20}$/;
const DECIMAL = /^-?\d{1,65}(\.\d{1,38})?$/;
const HEX = /^([\da-f]{2})*$/;

/** Turns the text of a column in a key (see `keyText`) back into a value that the source can be asked for. */
export function keyLiteral(column: ColumnDefinition, text: string, options: ValueOptions): KeyLiteral {
  if (column.json) return 'unknown';
  switch (column.dataType) {
    case 'tinyint':
    case 'smallint':
    case 'mediumint':
    case 'int':
    case 'year':
      return INTEGER.test(text) ? { sql: text } : 'impossible';
    case 'bigint':
      if (!INTEGER.test(text)) return options.supportBigNumbers === false ? 'unknown' : 'impossible';
      // Its digits are not those of the row.
      if (options.supportBigNumbers === false && !Number.isSafeInteger(Number(text))) return 'unknown';
      return { sql: text };
    case 'decimal':
      if (options.decimalNumbers && text.replace(/\D/g, '').length > 15) return 'unknown';
      if (DECIMAL.test(text)) return { sql: text };
      return options.decimalNumbers ? 'unknown' : 'impossible';
    case 'bit':
      return HEX.test(text) && text !== '' ? { sql: BigInt(`0x${text}`).toString() } : 'impossible';
    case 'char':
    case 'varchar':
    case 'tinytext':
    case 'text':
    case 'mediumtext':
    case 'longtext':
    case 'enum':
    case 'set':
      if (column.charset === 'binary') return HEX.test(text) ? { sql: `X'${text}'` } : 'impossible';
      return ASCII.test(text) || UNICODE.test(column.charset ?? '') ? { sql: quoteText(text) } : 'unknown';
    case 'binary':
    case 'varbinary':
    case 'tinyblob':
    case 'blob':
    case 'mediumblob':
    case 'longblob':
      return HEX.test(text) ? { sql: `X'${text}'` } : 'impossible';
    case 'uuid':
    case 'inet4':
    case 'inet6':
    case 'time':
      return { sql: quoteText(text) };
    case 'date':
      return asDateString(options, 'DATE') ? quoteDate(text) : instant(text, options);
    case 'datetime':
      if (asDateString(options, 'DATETIME')) return quoteDate(text);
      // A Date has no more than milliseconds.
      return /\([4-6]\)/.test(column.columnType) ? 'unknown' : instant(text, options);
    default:
      // A float is not found by the digits that it prints; JSON, geometry and TIMESTAMP neither.
      return 'unknown';
  }
}

function quoteDate(text: string): KeyLiteral {
  return /^\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d(\.\d+)?)?$/.test(text) ? { sql: quoteText(text) } : 'impossible';
}

/** Where daylight saving comes and goes, an hour has no Date of its own, or two of them. */
function instant(text: string, { timezone = 'local' }: ValueOptions): KeyLiteral {
  if (timezone === 'local') return 'unknown';
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text.startsWith('0000-') ? 'unknown' : 'impossible';
  if (date.toISOString() !== text) return 'impossible';
  return { sql: escape(date, false, timezone) };
}
