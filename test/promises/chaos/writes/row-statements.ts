import { escape } from 'mysql2';
import type { Journal } from '../journal';
import type { Random } from '../random';
import type { ChaosTable } from '../tables';
import { SHARED_TABLES } from '../tables';

const WORDS = ['plain', "O'Brien", 'Ünïcödé', '数据库', '😀🦊', 'back\\slash', '"quoted"', ''];

/** SQL that changes rows and notes in the ledger what it did, so that both become true together or not at all. */
export interface Statement {
  readonly sql: string;
  readonly table: ChaosTable;
  readonly numbers: readonly number[];
  readonly changeId: number;
  readonly text: string;
}

/** What a statement has to be like. */
export interface StatementNeeds {
  /** The kind of writer that asks. */
  readonly by: string;
  readonly tables?: readonly ChaosTable[];
  readonly words?: readonly string[];
}

/** Makes statements that change rows of the window in every way that a binlog knows. */
export class RowStatements {
  private lastChangeId = 0;

  constructor(
    private readonly journal: Journal,
    /** The rows that are being changed. */
    private readonly window: () => { first: number; size: number },
  ) {}

  nextChangeId(by: string): number {
    this.journal.made(++this.lastChangeId, by);
    return this.lastChangeId;
  }

  /** Of rows that are being changed; ascending, which keeps most deadlocks away. */
  numbers(random: Random): number[] {
    const { first, size } = this.window();
    const count = random.pick([1, 1, 2, 5, 12]);
    const start = first + random.int(0, size - 1);
    return Array.from({ length: count }, (_, at) => start + at);
  }

  several(count: number, random: Random, needs: StatementNeeds): Statement[] {
    return Array.from({ length: count }, () => this.any(random, needs));
  }

  any(random: Random, needs: StatementNeeds): Statement {
    const { by, tables = SHARED_TABLES, words = WORDS } = needs;
    const table = random.pick(tables);
    const changeId = this.nextChangeId(by);
    const numbers = this.numbers(random);
    const make = random.next();
    const base = { table, numbers, changeId };
    if (make < 0.4) return { ...base, text: 'upsert', sql: upsert(table, numbers, changeId, random, words) };
    if (make < 0.5) return { ...base, text: 'delete', sql: remove(table, numbers, changeId) };
    if (make < 0.65 && table.keyChange) {
      const change = table.keyChange(numbers[0] ?? 1, random);
      // An address belongs to one row only.
      const changed = table.name === 'profiles' ? numbers.slice(0, 1) : numbers;
      const sql = update(table, changed, changeId, change);
      return { ...base, numbers: changed, text: `update ${change}`, sql };
    }
    const { name, big, price } = values(random, words);
    const sql = update(table, numbers, changeId, `name = ${name}, big = ${big}, price = ${price}`);
    return { ...base, text: 'update', sql };
  }
}

/** One image for each row, whether it is an insert or an update. */
export function upsert(
  table: ChaosTable,
  numbers: readonly number[],
  changeId: number,
  random: Random,
  words: readonly string[] = WORDS,
): string {
  const rows = numbers.map((n): Record<string, string> => ({
    [table.idColumn]: table.id(n),
    ...table.extras(random),
    seq: '1',
    change_id: String(changeId),
    ...values(random, words),
  }));
  const columns = Object.keys(rows[0] ?? {});
  const tuples = rows.map((row) => `(${columns.map((column) => row[column]).join()})`);
  return (
    `INSERT INTO ${table.name} (${columns.join()}) VALUES ${tuples.join()} ` +
    `ON DUPLICATE KEY UPDATE seq = seq + 1, change_id = ${changeId}, name = ${values(random, words).name}; ` +
    `INSERT INTO ${ledgerOf(table)} VALUES (${changeId}, ${numbers.length})`
  );
}

export function update(
  table: ChaosTable,
  numbers: readonly number[],
  changeId: number,
  change: string,
): string {
  return (
    `UPDATE ${table.name} SET seq = seq + 1, change_id = ${changeId}, ${change} WHERE ${among(table, numbers)}; ` +
    `INSERT INTO ${ledgerOf(table)} VALUES (${changeId}, ROW_COUNT())`
  );
}

/** The image that a deletion carries is the one before it. */
export function remove(table: ChaosTable, numbers: readonly number[], changeId: number): string {
  const primaryKey = table.primaryKey.flatMap((column, at) => (at === 0 ? [column] : ["':'", column]));
  const where = among(table, numbers);
  const deletion = table.writtenBy === 'loose' ? 'deletion_loose' : 'deletion';
  return (
    `INSERT INTO ${deletion} SELECT '${table.name}', CONCAT(${primaryKey.join()}), change_id, ${changeId} ` +
    `FROM ${table.name} WHERE ${where} FOR UPDATE; DELETE FROM ${table.name} WHERE ${where}`
  );
}

function ledgerOf(table: ChaosTable): string {
  return table.writtenBy === 'loose' ? 'ledger_loose' : 'ledger';
}

function among(table: ChaosTable, numbers: readonly number[]): string {
  return `${table.idColumn} IN (${numbers.map((n) => table.id(n)).join()})`;
}

/** Values as SQL: NULLs, text of several scripts, integers beyond 2^53, fractions, times, bytes. */
function values(
  random: Random,
  words: readonly string[],
): {
  name: string;
  big: string;
  price: string;
  made_at: string;
  bytes: string;
} {
  const orNull = (sql: string): string => (random.chance(0.1) ? 'NULL' : sql);
  const big = 2n ** 53n + BigInt(random.int(-1_000, 1_000_000)) * BigInt(random.int(1, 1_000_000));
  const at = new Date(Date.UTC(2024, 0, 1) + random.int(0, 31_536_000_000));
  return {
    name: orNull(escape(`${random.pick(words)} ${random.int(0, 1e9)}`)),
    big: orNull(String(big)),
    price: orNull(`${random.int(0, 1e6)}.${random.int(1000, 9999)}`),
    made_at: orNull(`'${at.toISOString().slice(0, 23).replace('T', ' ')}'`),
    bytes: orNull(
      `X'${random
        .int(0, 2 ** 31)
        .toString(16)
        .padStart(8, '0')}'`,
    ),
  };
}
