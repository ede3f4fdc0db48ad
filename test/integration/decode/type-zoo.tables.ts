import type { ZooTable } from './type-zoo.harness';

const INTEGERS: ZooTable = {
  tiny: { type: 'TINYINT', values: ['-128', '127', '0', '-1'] },
  tinyUnsigned: { type: 'TINYINT UNSIGNED', values: ['0', '255', '128'] },
  bool: { type: 'BOOL', values: ['TRUE', 'FALSE'] },
  small: { type: 'SMALLINT', values: ['-32768', '32767', '-1'] },
  smallUnsigned: { type: 'SMALLINT UNSIGNED', values: ['65535', '32768'] },
  medium: { type: 'MEDIUMINT', values: ['-8388608', '8388607', '-1'] },
  mediumUnsigned: { type: 'MEDIUMINT UNSIGNED', values: ['16777215', '8388608'] },
  int: { type: 'INT', values: ['-2147483648', '2147483647', '-1'] },
  intUnsigned: { type: 'INT UNSIGNED', values: ['4294967295', '2147483648'] },
  zerofill: { type: 'INT(8) ZEROFILL', values: ['42', '4294967295'] },
  big: {
    type: 'BIGINT',
    values: [
      '-9223372036854775808',
      '9223372036854775807',
      '9007199254740991',
      '9007199254740992',
      '9007199254740993',
      '-9007199254740991',
      '-9007199254740992',
      '-1',
      '0',
      '4294967296',
      '-4294967297',
    ],
  },
  bigUnsigned: {
    type: 'BIGINT UNSIGNED',
    values: ['18446744073709551615', '9223372036854775808', '9007199254740993', '9007199254740991', '0'],
  },
  bigZerofill: { type: 'BIGINT(20) ZEROFILL', values: ['42', '9007199254740993', '18446744073709551615'] },
  year: { type: 'YEAR', values: ['1901', '2155', '0000', '2026'] },
};

const NUMBERS: ZooTable = {
  small: { type: 'DECIMAL(5,2)', values: ['-999.99', '999.99', '0', '-0.01', '0.10'] },
  large: {
    type: 'DECIMAL(65,30)',
    values: [
      '-12345678901234567890123456789012345.123456789012345678901234567891',
      '99999999999999999999999999999999999.999999999999999999999999999999',
      '0.000000000000000000000000000001',
      '-0.5',
    ],
  },
  whole: {
    type: 'DECIMAL(65,0)',
    values: [`${'9'.repeat(65)}`, '-1', '0', '1000000000', '-1000000000000000001'],
  },
  fraction: { type: 'DECIMAL(30,30)', values: [`0.${'9'.repeat(30)}`, '-0.1'] },
  nines: { type: 'DECIMAL(27,9)', values: ['123456789012345678.123456789', '-1.000000001', '999999999'] },
  zerofill: { type: 'DECIMAL(10,2) ZEROFILL', values: ['1.1', '0', '12345678.99'] },
  zerofillWhole: { type: 'DECIMAL(12,0) ZEROFILL', values: ['7', '123456789012'] },
  float: {
    type: 'FLOAT',
    values: [
      '1.1',
      '100000.5',
      '100001.5',
      '1234567',
      '16777216',
      '-1e-7',
      '3.40282e38',
      '1.17549e-38',
      '-0e0',
      '0.5',
      '123456.5',
      '8.5e15',
    ],
  },
  floatScaled: { type: 'FLOAT(10,3)', values: ['1.1', '-123456.789', '-0e0', '9999999.999'] },
  double: {
    type: 'DOUBLE',
    values: [
      '9.876543210987654',
      '1.1',
      '1e15',
      '123456789012345.6',
      '0.1234567890123456',
      '-9.876543210987654',
      '1.7976931348623157e308',
      '5e-324',
      '-0e0',
      '98765432109876.54',
      '1e-7',
      '12345.6789',
    ],
  },
  doubleScaled: {
    type: 'DOUBLE(20,4)',
    values: ['1.1', '-1234567890123456.1234', '123456789012.3456', '-0e0'],
  },
  floatUnsigned: { type: 'FLOAT UNSIGNED', values: ['1.5'] },
  bit1: { type: 'BIT(1)', values: ["b'1'", "b'0'"] },
  bit9: { type: 'BIT(9)', values: ["b'101010101'"] },
  bit64: { type: 'BIT(64)', values: ["b'1'", '0xFFFFFFFFFFFFFFFF'] },
};

const FRACTIONS = [0, 1, 2, 3, 4, 5, 6];
const TIMES = [
  "'-838:59:59'",
  "'838:59:59'",
  "'-00:00:00.1'",
  "'00:00:00'",
  "'-00:00:01.987654'",
  "'12:34:56.123456'",
  "'100:00:00.000001'",
  "'-01:00:00'",
];
const DATETIMES = [
  "'1000-01-01 00:00:00'",
  "'9999-12-31 23:59:59'",
  "'2024-02-29 12:34:56.123456'",
  "'0000-00-00 00:00:00'",
  "'2024-00-10 01:02:03'",
  "'2024-02-31 01:02:03.5'",
  "'0050-06-07 08:09:10'",
  "'2024-03-31 02:30:00'",
  "'2024-07-01 00:00:00'",
];
const TIMESTAMPS = [
  "'1970-01-02 00:00:01'",
  "'2038-01-18 03:14:07'",
  "'2024-07-01 12:34:56.987654'",
  "'0000-00-00 00:00:00'",
  "'2024-01-01 00:00:00.000001'",
];

const TEMPORALS: ZooTable = {
  date: {
    type: 'DATE',
    values: [
      "'1000-01-01'",
      "'9999-12-31'",
      "'2024-02-29'",
      "'0000-00-00'",
      "'2024-00-10'",
      "'2024-10-00'",
      "'2024-02-31'",
      "'0050-06-07'",
      "'2024-07-01'",
    ],
  },
  ...Object.fromEntries(FRACTIONS.map((n) => [`time${n}`, { type: `TIME(${n})`, values: TIMES }])),
  ...Object.fromEntries(
    FRACTIONS.map((n) => [`datetime${n}`, { type: `DATETIME(${n})`, values: DATETIMES }]),
  ),
  ...Object.fromEntries(
    FRACTIONS.map((n) => [`timestamp${n}`, { type: `TIMESTAMP(${n}) NULL`, values: TIMESTAMPS }]),
  ),
};

const TEXT_VALUES = ["'abc'", "''", "'trailing  '", "'äöü € ÿ'", `'${'long '.repeat(60)}'`, "'\\0\\n'"];
const UNICODE_VALUES = [...TEXT_VALUES, "'😀 汉字 \\u{1F600}'", "'汉字'", "'\uFEFFbom'"];
const GBK_VALUES = ["'汉字'", "'abc'", "'中文 text'"];

const TEXTS: ZooTable = {
  char: { type: 'CHAR(255)', values: UNICODE_VALUES.map((value) => `LEFT(${value}, 250)`) },
  charShort: { type: 'CHAR(3)', values: ["'a'", "'😀😀😀'", "'  x'"] },
  varchar: { type: 'VARCHAR(400)', values: UNICODE_VALUES },
  varcharShort: { type: 'VARCHAR(20)', values: ["'ä'", "'12345678901234567890'"] },
  tinytext: { type: 'TINYTEXT', values: ["'tiny 😀'"] },
  text: { type: 'TEXT', values: UNICODE_VALUES },
  mediumtext: { type: 'MEDIUMTEXT', values: ["REPEAT('m', 70000)"] },
  longtext: { type: 'LONGTEXT', values: ["'long'"] },
  latin1: { type: 'VARCHAR(400) CHARACTER SET latin1', values: TEXT_VALUES },
  latin1Char: { type: 'CHAR(200) CHARACTER SET latin1', values: ["'ÿ'", "x'80818d8f909d9fff'"] },
  ascii: { type: 'VARCHAR(40) CHARACTER SET ascii', values: ["'plain'"] },
  utf8mb3: { type: 'VARCHAR(40) CHARACTER SET utf8mb3', values: ["'汉字 €'"] },
  gbk: { type: 'VARCHAR(40) CHARACTER SET gbk', values: GBK_VALUES },
  gbkText: { type: 'TEXT CHARACTER SET gbk', values: GBK_VALUES },
  big5: { type: 'VARCHAR(40) CHARACTER SET big5', values: ["'漢字'"] },
  sjis: { type: 'VARCHAR(40) CHARACTER SET sjis', values: ["'日本語 ｱ'"] },
  cp932: { type: 'VARCHAR(40) CHARACTER SET cp932', values: ["'日本語'"] },
  ujis: { type: 'VARCHAR(40) CHARACTER SET ujis', values: ["'日本語'"] },
  euckr: { type: 'VARCHAR(40) CHARACTER SET euckr', values: ["'한국어'"] },
  koi8r: { type: 'VARCHAR(40) CHARACTER SET koi8r', values: ["'привет'"] },
  cp1251: { type: 'VARCHAR(40) CHARACTER SET cp1251', values: ["'привет'"] },
  latin2: { type: 'VARCHAR(40) CHARACTER SET latin2', values: ["'żółw'"] },
  hebrew: { type: 'VARCHAR(40) CHARACTER SET hebrew', values: ["'שלום'"] },
  greek: { type: 'VARCHAR(40) CHARACTER SET greek', values: ["'ελληνικά'"] },
  tis620: { type: 'VARCHAR(40) CHARACTER SET tis620', values: ["'ไทย'"] },
  ucs2: { type: 'VARCHAR(40) CHARACTER SET ucs2', values: ["'汉字'", "'a'"] },
  ucs2Char: { type: 'CHAR(40) CHARACTER SET ucs2', values: ["'汉字'", "'a'"] },
  utf16: { type: 'VARCHAR(40) CHARACTER SET utf16', values: ["'😀 汉字'", "'\uFEFFbom'"] },
  utf16Char: { type: 'CHAR(40) CHARACTER SET utf16', values: ["'😀 汉字'"] },
  utf16le: { type: 'VARCHAR(40) CHARACTER SET utf16le', values: ["'😀 汉字'"] },
  utf32: { type: 'VARCHAR(40) CHARACTER SET utf32', values: ["'😀 汉字'"] },
  utf32Char: { type: 'CHAR(40) CHARACTER SET utf32', values: ["'😀 汉字'"] },
  collated: { type: 'VARCHAR(40) COLLATE utf8mb4_bin', values: ["'Bin'"] },
};

const BYTES: ZooTable = {
  binary: { type: 'BINARY(8)', values: ["x'00ff00'", "''", "x'0102030405060708'", "'abc'"] },
  binaryLong: { type: 'BINARY(255)', values: ["x'0100'"] },
  varbinary: { type: 'VARBINARY(300)', values: ["x'0000'", "''", "REPEAT(x'ff00', 130)", "'text'"] },
  tinyblob: { type: 'TINYBLOB', values: ["x'00'"] },
  blob: { type: 'BLOB', values: ["x'deadbeef00'", "''"] },
  mediumblob: { type: 'MEDIUMBLOB', values: ["REPEAT(x'00', 70000)"] },
  longblob: { type: 'LONGBLOB', values: ["'blob'"] },
};

const LABELS = `'a','b,c','it''s','"double"','汉字','back\\\\slash','trailing ','ü'`;
const MEMBERS = Array.from({ length: 64 }, (_, i) => `'m${i + 1}'`).join(',');
const MANY_LABELS = Array.from({ length: 300 }, (_, i) => `'label ${i + 1}'`).join(',');

const CHOICES: ZooTable = {
  enum: {
    type: `ENUM(${LABELS})`,
    values: ["'a'", "'b,c'", "'it''s'", '\'"double"\'', "'汉字'", "'not one'", '6', '7', "'ü'"],
  },
  enumGbk: { type: `ENUM('汉字','二','x') CHARACTER SET gbk`, values: ["'汉字'", "'二'", "'x'"] },
  enumLatin1: { type: `ENUM('ü','€') CHARACTER SET latin1`, values: ["'ü'", "'€'"] },
  enumBinary: { type: `ENUM('a','b') CHARACTER SET binary`, values: ["'a'", "'b'"] },
  enumMany: { type: `ENUM(${MANY_LABELS})`, values: ["'label 300'", "'label 1'"] },
  set: { type: `SET('a','it''s','汉字','ü')`, values: ["'a'", "'a,汉字'", "''", "'a,it''s,汉字,ü'"] },
  setGbk: { type: `SET('汉','字') CHARACTER SET gbk`, values: ["'汉,字'"] },
  set9: { type: `SET(${MEMBERS.split(',').slice(0, 9).join(',')})`, values: ["'m9'", "'m1,m9'"] },
  set20: { type: `SET(${MEMBERS.split(',').slice(0, 20).join(',')})`, values: ["'m20,m1'"] },
  set32: { type: `SET(${MEMBERS.split(',').slice(0, 32).join(',')})`, values: ["'m32'", "'m1,m31,m32'"] },
  set64: { type: `SET(${MEMBERS})`, values: ["'m1,m32,m33,m64'", "'m64'", '18446744073709551615'] },
};

const GEOMETRIES: ZooTable = {
  point: { type: 'POINT', values: ["ST_GeomFromText('POINT(1.5 -2)')"] },
  line: { type: 'LINESTRING', values: ["ST_GeomFromText('LINESTRING(0 0,1 1,2 2)')"] },
  polygon: {
    type: 'POLYGON',
    values: ["ST_GeomFromText('POLYGON((0 0,0 3,3 3,3 0,0 0),(1 1,1 2,2 2,2 1,1 1))')"],
  },
  multipoint: { type: 'MULTIPOINT', values: ["ST_GeomFromText('MULTIPOINT((0 0),(1 1))')"] },
  multiline: { type: 'MULTILINESTRING', values: ["ST_GeomFromText('MULTILINESTRING((0 0,1 1),(2 2,3 3))')"] },
  multipolygon: {
    type: 'MULTIPOLYGON',
    values: ["ST_GeomFromText('MULTIPOLYGON(((0 0,0 3,3 3,0 0)),((5 5,5 6,6 6,5 5)))')"],
  },
  collection: {
    type: 'GEOMETRYCOLLECTION',
    values: [
      "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')",
      "ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')",
    ],
  },
  any: {
    type: 'GEOMETRY',
    values: ["ST_GeomFromText('POINT(9 9)')", "ST_GeomFromText('POINT(10 20)', 4326)"],
  },
};

const GENERATED: ZooTable = {
  a: { type: 'INT', values: ['1', '2', '-7'] },
  virtual: { type: 'INT GENERATED ALWAYS AS (a + 1) VIRTUAL' },
  stored: { type: 'VARCHAR(20) GENERATED ALWAYS AS (CONCAT("s", a)) STORED' },
  hidden: { type: 'INT INVISIBLE DEFAULT 3', values: ['4', '5'] },
  b: { type: 'INT', values: ['10', '20'] },
};

/** More than 64 columns, so that the bitmaps have several bytes, and NULLs in another place in each row. */
const WIDE: ZooTable = Object.fromEntries(
  Array.from({ length: 75 }, (_, i) => [
    `c${i}`,
    {
      type: i % 3 === 0 ? 'VARCHAR(20)' : 'INT',
      values: i % 4 === 0 ? [`${i}`, 'NULL'] : [`${i}`, 'NULL', '7'],
    },
  ]),
);

/** Tables for both servers. */
export const COMMON_TABLES: Record<string, ZooTable> = {
  integers: INTEGERS,
  numbers: NUMBERS,
  temporals: TEMPORALS,
  texts: TEXTS,
  bytes: BYTES,
  choices: CHOICES,
  geometries: GEOMETRIES,
  generated: GENERATED,
  wide: WIDE,
};

const manyMembers = (count: number) =>
  `{${Array.from({ length: count }, (_, i) => `"key ${i}": ${i * 1000}`).join(',')}}`;

const DOCUMENTS = [
  'null',
  'true',
  'false',
  '0',
  '-1',
  '32767',
  '-32768',
  '32768',
  '65535',
  '65536',
  '2147483647',
  '-2147483648',
  '4294967295',
  '4294967296',
  '9007199254740993',
  '-9223372036854775808',
  '18446744073709551615',
  '1.0',
  '1.5',
  '-0.0',
  '1e300',
  '1e-16',
  '0.000012',
  '123456789012345680',
  '12345678901234567890123',
  '9.876543210987654',
  '""',
  '"text 😀 汉字 \\" \\\\ \\n \\u0001 \\u001f /"',
  '[]',
  '{}',
  '[[],{},[[]]]',
  '[null,true,false,1,-1,70000,5000000000,1.5,"x"]',
  '{"":1,"a":{"b":[1,2,{"c":null}]},"汉字":"ü","__proto__":{"x":1}}',
  `"${'x'.repeat(200)}"`,
  `"${'y'.repeat(20_000)}"`,
  `"${'z'.repeat(70_000)}"`,
  `[${Array.from({ length: 500 }, (_, i) => i * 100).join(',')}]`,
  `[${Array.from({ length: 12_000 }, (_, i) => 100_000 + i).join(',')}]`,
  manyMembers(300),
  manyMembers(3_000),
];

/** As a literal for a MySQL JSON column. */
const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;

const OPAQUES = [
  "x'00ff'",
  "REPEAT(x'41', 60)",
  "REPEAT(x'42', 200)",
  "CAST('2020-01-02' AS DATE)",
  "CAST('-12:30:00.5' AS TIME(1))",
  "CAST('838:59:59' AS TIME)",
  "CAST('-00:00:01' AS TIME)",
  "CAST('2020-01-02 03:04:05.678' AS DATETIME(3))",
  "TIMESTAMP'2020-01-01 00:00:00'",
  'CAST(1.10 AS DECIMAL(10,2))',
  'CAST(-1.5 AS DECIMAL(65,30))',
  'CAST(12345678901234567890 AS DECIMAL(20,0))',
  'CAST(12345678901234567890 AS UNSIGNED)',
  "b'101'",
].map((value) => `JSON_ARRAY(${value}, JSON_OBJECT('v', ${value}))`);

/** Types of MySQL alone. */
export const MYSQL_TABLES: Record<string, ZooTable> = {
  json: {
    json: { type: 'JSON', values: [...DOCUMENTS.map(quoted), ...OPAQUES] },
    after: { type: 'INT', values: ['1'] },
  },
  vectors: {
    vector: {
      type: 'VECTOR(3) NOT NULL',
      values: ["STRING_TO_VECTOR('[1,2.1,-3e10]')", "STRING_TO_VECTOR('[0.5]')"],
    },
    after: { type: 'INT', values: ['1'] },
  },
  functional: {
    a: { type: 'INT', values: ['1', '2'] },
    b: {
      type: 'VARCHAR(20), KEY on_expression ((UPPER(b))), KEY on_two ((a + 1), (a * 2))',
      values: ["'x'"],
    },
    c: { type: 'JSON, KEY on_array ((CAST(c AS UNSIGNED ARRAY)))', values: ["'[1,2]'"] },
    d: { type: 'INT', values: ['5'] },
  },
};

/** Types of MariaDB alone. */
export const MARIADB_TABLES: Record<string, ZooTable> = {
  json: {
    json: { type: 'JSON', values: DOCUMENTS.map(quoted) },
    checked: {
      type: 'TEXT CHARACTER SET latin1 CHECK (JSON_VALID(checked))',
      values: [`'{"ü":1}'`, "'[1]'"],
    },
    text: { type: 'LONGTEXT', values: ["'{}'"] },
  },
  addresses: {
    uuid: {
      type: 'UUID',
      values: [
        "'123e4567-e89b-12d3-a456-426655440000'",
        "'ffffffff-ffff-ffff-ffff-ffffffffff00'",
        "'00000000-0000-0000-0000-000000000000'",
      ],
    },
    inet4: { type: 'INET4', values: ["'192.168.1.0'", "'0.0.0.0'", "'255.255.255.255'"] },
    inet6: {
      type: 'INET6',
      values: [
        "'2001:db8::ff00:42:8329'",
        "'::'",
        "'::1'",
        "'::ffff:192.0.2.1'",
        "'::192.0.2.1'",
        "'fe80::'",
        "'1:0:0:2:0:0:0:3'",
        "'1:0:0:2:3:0:0:4'",
        "'::2'",
        "'1:2:3:4:5:6:7:8'",
        "'0:1:2:3:4:5:6:7'",
        "'1:0:2:3:4:5:6:7'",
      ],
    },
  },
  compressed: {
    varchar: { type: 'VARCHAR(2000) COMPRESSED', values: ["REPEAT('abc ', 300)", "'short'", "''"] },
    varcharShort: { type: 'VARCHAR(20) COMPRESSED', values: ["'ü'"] },
    text: { type: 'TEXT COMPRESSED', values: ["REPEAT('text ü ', 300)", "'short'", "''"] },
    latin1: { type: 'TEXT CHARACTER SET latin1 COMPRESSED', values: ["REPEAT('ü', 300)"] },
    blob: { type: 'BLOB COMPRESSED', values: ["REPEAT(x'00', 3000)", "x'00'"] },
    varbinary: { type: 'VARBINARY(2000) COMPRESSED', values: ["REPEAT(x'00', 1000)"] },
    after: { type: 'INT', values: ['1'] },
  },
  hashed: {
    unique: { type: 'BLOB UNIQUE', values: ["'a'", "'b'", "'c'"] },
    after: { type: 'INT', values: ['1'] },
  },
};
