import type { Column } from '../column';
import { ColumnType, columnTypeName } from '../column-type';
import { textDecoder } from '../charset';
import type { ValueOptions } from '../value-options';
import { bitReader, bytesReader, characterFinish, lengthBytes, vectorFinish } from './bytes';
import { decimalBytes, decimalReader } from './decimal';
import { enumReader, setReader } from './enum-set';
import { floatReader } from './float';
import { geometryFinish } from './geometry';
import { bigintReader, integerReader, readYear } from './integer';
import { jsonFinish } from './json';
import { knowsJsonSource, parseJsonText } from './json-text';
import { inet4Finish, inet6Finish, uuidFinish } from './network-address';
import type { Reader } from './reader';
import { dateReader, temporalBytes, temporalReader } from './temporal';

/** Chooses, once per table, how the values of a column are read. */
export function readerOf(column: Column, options: ValueOptions): Reader {
  const { type, meta } = column.map;
  switch (type) {
    case ColumnType.Tiny:
    case ColumnType.Short:
    case ColumnType.Int24:
    case ColumnType.Long:
      return integerReader(column);
    case ColumnType.LongLong:
      return bigintReader(column, options);
    case ColumnType.Float:
    case ColumnType.Double:
      return floatReader(column);
    case ColumnType.NewDecimal:
      return decimalReader(meta >> 8, meta & 0xff, options.decimalNumbers === true, column.zerofill);
    case ColumnType.Year:
      return readYear;
    case ColumnType.Date:
    case ColumnType.NewDate:
      return dateReader(options);
    case ColumnType.Time:
    case ColumnType.Time2:
    case ColumnType.Datetime:
    case ColumnType.Datetime2:
    case ColumnType.Timestamp:
    case ColumnType.Timestamp2:
      return temporalReader(column, options);
    case ColumnType.Bit:
      return bitReader(meta);
    case ColumnType.Enum:
      return enumReader(column);
    case ColumnType.Set:
      return setReader(column);
    case ColumnType.Geometry:
      return bytesReader(column, geometryFinish);
    case ColumnType.Vector:
      return bytesReader(column, vectorFinish);
    case ColumnType.Json:
      return bytesReader(
        column,
        jsonFinish({ asText: options.jsonStrings === true, exactIntegers: exactJson(options) }),
      );
    case ColumnType.String:
    case ColumnType.VarString:
    case ColumnType.Varchar:
    case ColumnType.VarcharCompressed:
    case ColumnType.Blob:
    case ColumnType.BlobCompressed:
      return characterReader(column, options);
    default:
      throw new Error(`Column ${column.name} has the type code ${type}, which cannot be decoded.`);
  }
}

function characterReader(column: Column, options: ValueOptions): Reader {
  switch (column.format) {
    case 'uuid':
      return bytesReader(column, uuidFinish);
    case 'inet4':
      return bytesReader(column, inet4Finish);
    case 'inet6':
      return bytesReader(column, inet6Finish);
    case 'json': {
      const text = textDecoder(column.charset);
      if (text === undefined || options.jsonStrings === true)
        return bytesReader(column, characterFinish(column));
      const exact = exactJson(options);
      return bytesReader(column, (buf, start, end) => parseJsonText(text(buf, start, end), exact));
    }
    default:
      return bytesReader(column, characterFinish(column));
  }
}

/** mysql2 keeps big integers in JSON exact only where asked to, and where the runtime can. */
function exactJson(options: ValueOptions): boolean {
  return options.supportBigNumbers === true && knowsJsonSource;
}

/**
 * How to pass over a value: its bytes where they are fixed, or the bytes of the length before it as a negative
 * number.
 */
export function widthOf(column: Column): number {
  const { type, meta } = column.map;
  switch (type) {
    case ColumnType.Null:
      return 0;
    case ColumnType.Tiny:
    case ColumnType.Year:
      return 1;
    case ColumnType.Short:
      return 2;
    case ColumnType.Int24:
    case ColumnType.Date:
    case ColumnType.NewDate:
      return 3;
    case ColumnType.Long:
    case ColumnType.Float:
      return 4;
    case ColumnType.LongLong:
    case ColumnType.Double:
      return 8;
    case ColumnType.NewDecimal:
      return decimalBytes(meta >> 8, meta & 0xff);
    case ColumnType.Time:
    case ColumnType.Time2:
    case ColumnType.Datetime:
    case ColumnType.Datetime2:
    case ColumnType.Timestamp:
    case ColumnType.Timestamp2:
      return temporalBytes(column);
    case ColumnType.Bit:
      return (meta + 7) >> 3;
    case ColumnType.Enum:
    case ColumnType.Set:
      return meta;
    case ColumnType.String:
    case ColumnType.VarString:
    case ColumnType.Varchar:
    case ColumnType.VarcharCompressed:
    case ColumnType.Blob:
    case ColumnType.BlobCompressed:
    case ColumnType.Json:
    case ColumnType.Geometry:
    case ColumnType.Vector:
      return -lengthBytes(column.map);
    default:
      throw new Error(
        `Column ${column.name} has ${columnTypeName(type)} in the binlog, whose length is not known.`,
      );
  }
}
