import type { ZooColumn, ZooTable } from './type-zoo.harness';

/** Numbers that a seed determines (mulberry32), so that a failing table can be made again. */
export class Random {
  constructor(private state: number) {}

  fraction(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** From `min` to `max`, both included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.fraction() * (max - min + 1));
  }

  pick<T>(values: readonly T[]): T {
    return values[this.int(0, values.length - 1)]!;
  }

  digits(count: number): string {
    return Array.from({ length: count }, () => this.int(0, 9)).join('');
  }

  hex(bytes: number): string {
    return Array.from({ length: bytes }, () => this.int(0, 255).toString(16).padStart(2, '0')).join('');
  }
}

type ColumnMaker = (random: Random) => { type: string; value: () => string };

const INTEGER_BITS = { TINYINT: 8, SMALLINT: 16, MEDIUMINT: 24, INT: 32, BIGINT: 64 } as const;
const ALPHABET = [...'abcXYZ 0189_-äßéñ€汉字漢カな한😀🎉"\\\'%\n\t'];
const PLAIN_ALPHABET = [...'abc XYZ09äßéñÿ'];

const integer: ColumnMaker = (random) => {
  const [name, bits] = random.pick(Object.entries(INTEGER_BITS));
  const unsigned = random.fraction() < 0.5;
  const value = () => {
    const size = BigInt(random.int(1, bits));
    const raw = BigInt(`0x${random.hex(8)}`) & ((1n << size) - 1n);
    return (unsigned ? raw : BigInt.asIntN(bits, raw)).toString();
  };
  return { type: unsigned ? `${name} UNSIGNED` : name, value };
};

const decimal: ColumnMaker = (random) => {
  const precision = random.int(1, 65);
  const scale = random.int(0, Math.min(30, precision));
  const value = () => {
    const whole = random.digits(random.int(0, precision - scale)) || '0';
    const sign = random.pick(['', '-']);
    return scale === 0 ? sign + whole : `${sign}${whole}.${random.digits(random.int(1, scale))}`;
  };
  return { type: `DECIMAL(${precision},${scale})`, value };
};

const floating: ColumnMaker = (random) => {
  const type = random.pick(['FLOAT', 'DOUBLE', 'FLOAT(12,4)', 'DOUBLE(18,5)']);
  const limit = type.includes('(') ? 6 : 30;
  const value = () =>
    `${random.pick(['', '-'])}${random.digits(1)}.${random.digits(random.int(1, 17))}e${random.int(-limit, limit)}`;
  return { type, value };
};

const temporal: ColumnMaker = (random) => {
  const digits = random.int(0, 6);
  const two = (max: number, min = 0) => random.int(min, max).toString().padStart(2, '0');
  const fraction = () => random.pick(['', `.${random.digits(6)}`]);
  const date = (first: number, last: number) => `${random.int(first, last)}-${two(12, 1)}-${two(28, 1)}`;
  const time = () => `${two(23)}:${two(59)}:${two(59)}${fraction()}`;
  return random.pick([
    { type: 'DATE', value: () => `'${date(1000, 9999)}'` },
    { type: 'YEAR', value: () => `${random.int(1901, 2155)}` },
    { type: `DATETIME(${digits})`, value: () => `'${date(1000, 9998)} ${time()}'` },
    // Not in the hours that the end of summer time repeats: there a wall clock stands for two instants.
    {
      type: `TIMESTAMP(${digits}) NULL`,
      value: () => `'${date(1971, 2037)} ${random.pick(['00', '12', '23'])}${time().slice(2)}'`,
    },
    {
      type: `TIME(${digits})`,
      value: () => `'${random.pick(['', '-'])}${random.int(0, 837)}:${two(59)}:${two(59)}${fraction()}'`,
    },
  ]);
};

const text: ColumnMaker = (random) => {
  const [charset, alphabet, widest] = random.pick([
    ['utf8mb4', ALPHABET, 4],
    ['latin1', PLAIN_ALPHABET, 1],
    ['utf16', ALPHABET, 4],
    ['utf32', ALPHABET, 4],
    ['gbk', [...'abc 汉字中文'], 2],
  ] as const);
  const length = random.int(1, 255);
  const kind = random.pick([`VARCHAR(${length})`, `CHAR(${length})`, 'TEXT', 'MEDIUMTEXT', 'TINYTEXT']);
  const most = kind === 'TINYTEXT' ? Math.floor(255 / widest) : length;
  const value = () => {
    const characters = Array.from({ length: random.int(0, most) }, () => random.pick(alphabet)).join('');
    return `'${characters.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
  };
  return { type: `${kind} CHARACTER SET ${charset}`, value };
};

const bytes: ColumnMaker = (random) => {
  const length = random.int(1, 255);
  const type = random.pick([
    `VARBINARY(${length * 2})`,
    `BINARY(${length})`,
    'BLOB',
    'TINYBLOB',
    `BIT(${random.int(1, 64)})`,
  ]);
  const most = type.startsWith('BIT') ? 8 : length;
  return { type, value: () => `x'${random.hex(random.int(0, most))}'` };
};

const choice: ColumnMaker = (random) => {
  const count = random.int(1, 64);
  const labels = Array.from({ length: count }, (_, i) => `'${random.pick(ALPHABET.slice(0, 20))}${i}'`);
  if (random.fraction() < 0.5)
    return { type: `ENUM(${labels.join(',')})`, value: () => `${random.int(1, count)}` };
  const all = (1n << BigInt(count)) - 1n;
  return { type: `SET(${labels.join(',')})`, value: () => (BigInt(`0x${random.hex(8)}`) & all).toString() };
};

const json: ColumnMaker = (random) => {
  const make = (depth: number): unknown => {
    const leaf = random.int(0, 6);
    if (depth > 3 || leaf < 5) {
      return [
        null,
        true,
        random.int(-1e6, 1e6),
        random.fraction() * 10 ** random.int(-20, 20),
        random.pick(ALPHABET).repeat(random.int(0, 50)),
      ][random.int(0, 4)];
    }
    const size = random.int(0, 6);
    if (leaf === 5) return Array.from({ length: size }, () => make(depth + 1));
    return Object.fromEntries(
      Array.from({ length: size }, () => [`k${random.digits(random.int(1, 6))}`, make(depth + 1)]),
    );
  };
  const value = () => `'${JSON.stringify(make(0)).replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
  return { type: 'JSON', value };
};

const MAKERS = [integer, integer, decimal, floating, temporal, temporal, text, bytes, choice, json];

/** A table of 1 to 24 columns with `rows` random values each, some of them NULL. */
export function randomTable(random: Random, rows: number): ZooTable {
  const columns = Array.from({ length: random.int(1, 24) }, (_, i): [string, ZooColumn] => {
    const { type, value } = random.pick(MAKERS)(random);
    const values = Array.from({ length: rows }, () => (random.fraction() < 0.15 ? 'NULL' : value()));
    return [`c${i}`, { type, values }];
  });
  return Object.fromEntries(columns);
}
