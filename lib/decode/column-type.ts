/**
 * Column type codes as a TABLE_MAP event carries them.
 *
 * Source: MySQL `include/field_types.h` (enum_field_types); 140 and 141 exist on MariaDB only
 * (`include/mysql_com.h`).
 */
export const ColumnType = {
  Decimal: 0,
  Tiny: 1,
  Short: 2,
  Long: 3,
  Float: 4,
  Double: 5,
  Null: 6,
  Timestamp: 7,
  LongLong: 8,
  Int24: 9,
  Date: 10,
  Time: 11,
  Datetime: 12,
  Year: 13,
  NewDate: 14,
  Varchar: 15,
  Bit: 16,
  Timestamp2: 17,
  Datetime2: 18,
  Time2: 19,
  BlobCompressed: 140,
  VarcharCompressed: 141,
  Vector: 242,
  Json: 245,
  NewDecimal: 246,
  Enum: 247,
  Set: 248,
  TinyBlob: 249,
  MediumBlob: 250,
  LongBlob: 251,
  Blob: 252,
  VarString: 253,
  String: 254,
  Geometry: 255,
} as const;

/** A type's name for error messages. */
export function columnTypeName(type: number): string {
  for (const [name, code] of Object.entries(ColumnType)) {
    if (code === type) return name;
  }
  return `type ${type}`;
}
