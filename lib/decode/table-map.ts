import { ColumnType } from './column-type';
import { CorruptEventError, Cursor } from './cursor';

/** What a TABLE_MAP event says of one column. */
export interface ColumnMap {
  /** The real type: ENUM and SET, which the event hides in STRING, stand here as themselves. */
  type: number;
  /**
   * The type's own number:
   * - STRING, VARCHAR, VAR_STRING, VARCHAR_COMPRESSED: the longest length in bytes
   * - ENUM, SET: bytes of a value
   * - BLOB, BLOB_COMPRESSED, GEOMETRY, JSON, VECTOR: bytes of the length before a value
   * - NEWDECIMAL: precision * 256 + scale
   * - BIT: number of bits
   * - TIMESTAMP2, DATETIME2, TIME2: digits of the fraction
   * - FLOAT, DOUBLE: bytes of a value
   * - all others: 0
   */
  meta: number;
  nullable: boolean;
  /** Known unless the server writes no row metadata (MariaDB's default, NO_LOG). */
  unsigned?: boolean;
  /** Collation id of a character, ENUM or SET column; 63 is binary. */
  collation?: number;
  /** Only with `binlog_row_metadata=FULL`, as are `values` and `invisible`. */
  name?: string;
  /** Labels of an ENUM or SET, in the column's own character set. */
  values?: Buffer[];
  geometryType?: number;
  invisible?: boolean;
}

/** A TABLE_MAP event: which table the row events with this id are about, and how its columns are stored. */
export interface TableMap {
  tableId: number;
  schema: string;
  table: string;
  columns: ColumnMap[];
  /** Indexes of the primary key's columns, in the key's order. */
  primaryKey?: number[];
  /** Whether every column has its name, so that the row events can be read without INFORMATION_SCHEMA. */
  hasNames: boolean;
}

/** The table id at the beginning of a TABLE_MAP and of every row event: 6 bytes. */
export function readTableId(buf: Buffer, start: number): number {
  return buf.readUIntLE(start, 6);
}

/**
 * Reads a TABLE_MAP event.
 *
 * Source: MySQL `libs/mysql/binlog/event/rows_event.h` (Table_map_event, which describes the optional
 * metadata) and `sql/log_event.cc` (Table_map_log_event::init_metadata_fields).
 *
 * @param start first byte after the common header
 * @param end first byte after the event, its checksum left out
 */
export function parseTableMap(buf: Buffer, start: number, end: number): TableMap {
  const cursor = new Cursor(buf, start, end);
  const tableId = readTableId(buf, start);
  cursor.take(6 + 2); // the id and two bytes of flags
  const schema = readName(cursor);
  const table = readName(cursor);
  const count = cursor.lengthEncoded();
  const types = buf.subarray(cursor.take(count), cursor.pos);
  const metaEnd = cursor.lengthEncoded() + cursor.pos;
  const columns = Array.from(types, (type) => readColumnMeta(cursor, type));
  if (cursor.pos !== metaEnd) {
    throw new CorruptEventError(`the column metadata of ${schema}.${table} has not the length it declares`);
  }
  const nullable = cursor.take((count + 7) >> 3);
  columns.forEach((column, i) => {
    column.nullable = (buf[nullable + (i >> 3)]! & (1 << (i & 7))) !== 0;
  });
  const map: TableMap = { tableId, schema, table, columns, hasNames: false };
  while (cursor.pos < end) readOptionalField(cursor, map);
  map.hasNames = count > 0 && columns.every((column) => column.name !== undefined);
  return map;
}

/** A name with its length before it and a zero byte after it. */
function readName(cursor: Cursor): string {
  const length = cursor.uintLE(1);
  const start = cursor.take(length + 1);
  return cursor.buf.toString('utf8', start, start + length);
}

/** The metadata bytes that follow the types, per type. Source: MySQL `sql/field.cc`, do_save_field_metadata. */
function readColumnMeta(cursor: Cursor, type: number): ColumnMap {
  const column: ColumnMap = { type, meta: 0, nullable: false };
  switch (type) {
    case ColumnType.Float:
    case ColumnType.Double:
    case ColumnType.Timestamp2:
    case ColumnType.Datetime2:
    case ColumnType.Time2:
    case ColumnType.Blob:
    case ColumnType.BlobCompressed:
    case ColumnType.Geometry:
    case ColumnType.Json:
    case ColumnType.Vector:
      column.meta = cursor.uintLE(1);
      break;
    case ColumnType.Varchar:
    case ColumnType.VarcharCompressed:
      column.meta = cursor.uintLE(2);
      break;
    case ColumnType.Bit: {
      const bits = cursor.uintLE(1);
      column.meta = cursor.uintLE(1) * 8 + bits;
      break;
    }
    case ColumnType.NewDecimal: {
      const precision = cursor.uintLE(1);
      column.meta = precision * 256 + cursor.uintLE(1);
      break;
    }
    case ColumnType.String:
    case ColumnType.VarString:
    case ColumnType.Enum:
    case ColumnType.Set:
      readStringMeta(cursor, column);
      break;
    default:
      break;
  }
  return column;
}

/**
 * The first byte is the real type. A CHAR of more than 255 bytes keeps the two highest bits of its length
 * there too, inverted, so that lengths up to 255 leave the type byte as it is.
 */
function readStringMeta(cursor: Cursor, column: ColumnMap): void {
  const high = cursor.uintLE(1);
  const low = cursor.uintLE(1);
  if (high === ColumnType.Enum || high === ColumnType.Set) {
    column.type = high;
    column.meta = low;
  } else {
    column.type = ColumnType.String;
    column.meta = (((high << 4) & 0x300) ^ 0x300) | low;
  }
}

/** Field types of the optional metadata (Table_map_event::Optional_metadata_field_type). */
const OptionalField = {
  Signedness: 1,
  DefaultCharset: 2,
  ColumnCharset: 3,
  ColumnName: 4,
  SetStrValue: 5,
  EnumStrValue: 6,
  GeometryType: 7,
  SimplePrimaryKey: 8,
  PrimaryKeyWithPrefix: 9,
  EnumAndSetDefaultCharset: 10,
  EnumAndSetColumnCharset: 11,
  ColumnVisibility: 12,
} as const;

/** One type-length-value field. A field that a newer server adds is passed over. */
function readOptionalField(cursor: Cursor, map: TableMap): void {
  const type = cursor.uintLE(1);
  const length = cursor.lengthEncoded();
  const start = cursor.take(length);
  const field = new Cursor(cursor.buf, start, start + length);
  const { columns } = map;
  switch (type) {
    case OptionalField.Signedness:
      readBits(field, columns.filter(isNumeric), (column, bit) => (column.unsigned = bit));
      break;
    case OptionalField.DefaultCharset:
      readDefaultCollation(field, columns.filter(isCharacter));
      break;
    case OptionalField.ColumnCharset:
      readCollations(field, columns.filter(isCharacter));
      break;
    case OptionalField.ColumnName:
      readNames(field, columns);
      break;
    case OptionalField.SetStrValue:
      readLabels(field, columns.filter(isSet));
      break;
    case OptionalField.EnumStrValue:
      readLabels(field, columns.filter(isEnum));
      break;
    case OptionalField.GeometryType:
      for (const column of columns.filter(isGeometry)) column.geometryType = field.lengthEncoded();
      break;
    case OptionalField.SimplePrimaryKey:
      map.primaryKey = readAll(field, () => field.lengthEncoded());
      break;
    case OptionalField.PrimaryKeyWithPrefix:
      map.primaryKey = readAll(field, () => {
        const index = field.lengthEncoded();
        field.lengthEncoded(); // how many characters of the column are in the key
        return index;
      });
      break;
    case OptionalField.EnumAndSetDefaultCharset:
      readDefaultCollation(field, columns.filter(isEnumOrSet));
      break;
    case OptionalField.EnumAndSetColumnCharset:
      readCollations(field, columns.filter(isEnumOrSet));
      break;
    case OptionalField.ColumnVisibility:
      readBits(field, columns, (column, bit) => (column.invisible = !bit));
      break;
    default:
      break;
  }
}

function readAll<T>(field: Cursor, read: () => T): T[] {
  const values: T[] = [];
  while (field.pos < field.end) values.push(read());
  return values;
}

/** One bit per column, the highest bit of a byte first. */
function readBits(field: Cursor, columns: ColumnMap[], set: (column: ColumnMap, bit: boolean) => void): void {
  const start = field.take((columns.length + 7) >> 3);
  columns.forEach((column, i) => set(column, (field.buf[start + (i >> 3)]! & (0x80 >> (i & 7))) !== 0));
}

/** The collation of most columns, then pairs of position and collation for the others. */
function readDefaultCollation(field: Cursor, columns: ColumnMap[]): void {
  const collation = field.lengthEncoded();
  for (const column of columns) column.collation = collation;
  while (field.pos < field.end) {
    const column = columns[field.lengthEncoded()];
    const own = field.lengthEncoded();
    if (column) column.collation = own;
  }
}

function readCollations(field: Cursor, columns: ColumnMap[]): void {
  for (const column of columns) column.collation = field.lengthEncoded();
}

function readNames(field: Cursor, columns: ColumnMap[]): void {
  for (const column of columns) {
    const length = field.lengthEncoded();
    const start = field.take(length);
    column.name = field.buf.toString('utf8', start, start + length);
  }
}

function readLabels(field: Cursor, columns: ColumnMap[]): void {
  for (const column of columns) {
    const count = field.lengthEncoded();
    column.values = Array.from({ length: count }, () => field.copy(field.lengthEncoded()));
  }
}

const NUMERIC_TYPES = new Set<number>([
  ColumnType.Decimal,
  ColumnType.Tiny,
  ColumnType.Short,
  ColumnType.Int24,
  ColumnType.Long,
  ColumnType.LongLong,
  ColumnType.NewDecimal,
  ColumnType.Float,
  ColumnType.Double,
  ColumnType.Year,
]);
const CHARACTER_TYPES = new Set<number>([
  ColumnType.String,
  ColumnType.Varchar,
  ColumnType.VarString,
  ColumnType.TinyBlob,
  ColumnType.MediumBlob,
  ColumnType.LongBlob,
  ColumnType.Blob,
  ColumnType.BlobCompressed,
  ColumnType.VarcharCompressed,
]);

// Which columns a field is about: MySQL `sql/log_event.cc`, is_numeric_field and its neighbours.
const isNumeric = (column: ColumnMap) => NUMERIC_TYPES.has(column.type);
const isCharacter = (column: ColumnMap) => CHARACTER_TYPES.has(column.type);
const isEnum = (column: ColumnMap) => column.type === ColumnType.Enum;
const isSet = (column: ColumnMap) => column.type === ColumnType.Set;
const isEnumOrSet = (column: ColumnMap) => isEnum(column) || isSet(column);
const isGeometry = (column: ColumnMap) => column.type === ColumnType.Geometry;
