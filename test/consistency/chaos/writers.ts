import { setTimeout as sleep } from 'node:timers/promises';
import { escape } from 'mysql2';
import type { SqlServer } from '../../support/servers';
import { Crew } from './crew';
import type { Journal } from './journal';
import type { Random } from './random';
import { SqlSession, isConnectionError } from './sql-session';
import type { ChaosTable } from './tables';
import { TABLES } from './tables';

/** Rows of a table that are changed at a time; those before them keep their last state and are checked at the end. */
const WINDOW = 50;
/** How fast the window moves. */
const ROWS_PER_SECOND = 5;
const RECONNECT_MILLIS = 100;
const WORDS = ['plain', "O'Brien", 'Ünïcödé', '数据库', '😀🦊', 'back\\slash', '"quoted"', ''];

interface Statement {
  readonly sql: string;
  readonly table: ChaosTable;
  readonly numbers: readonly number[];
  readonly changeId: number;
  readonly text: string;
}

/** What the writers need to know. */
export interface WriterPlan {
  readonly server: SqlServer;
  readonly journal: Journal;
  readonly random: Random;
  readonly writers: number;
  /** Row changes a second that are aimed at, over all writers. */
  readonly rate: number;
  /** Truncate a table now and then. */
  readonly truncate: boolean;
}

/** Changes rows in every way that a binlog knows, over several connections. */
export class Writers {
  private readonly crew: Crew;
  private readonly sessions: SqlSession[];
  private readonly randoms: Random[];
  private lastChangeId = 0;
  private writtenMillis = 0;
  private resumedAt: number | undefined;
  transactions = 0;
  rollbacks = 0;
  truncations = 0;
  /** Transactions of which nobody can say here whether they were committed. */
  unknown = 0;
  /** Committed row changes, as far as the writers know. */
  rows = 0;

  constructor(private readonly plan: WriterPlan) {
    const { server, random, writers } = plan;
    this.sessions = Array.from({ length: writers }, () => new SqlSession(server));
    this.randoms = this.sessions.map(() => random.fork());
    this.crew = new Crew(writers, (worker) => this.step(worker));
  }

  start(): void {
    this.resumedAt = Date.now();
    this.crew.start();
  }

  async pause(): Promise<void> {
    await this.crew.pause();
    if (this.resumedAt !== undefined) this.writtenMillis += Date.now() - this.resumedAt;
    this.resumedAt = undefined;
  }

  resume(): void {
    this.resumedAt ??= Date.now();
    this.crew.resume();
  }

  async stop(): Promise<void> {
    await this.crew.stop();
    for (const session of this.sessions) session.close();
  }

  /** The rows that are being changed: the first one, and how many. */
  get window(): { first: number; size: number } {
    const millis = this.writtenMillis + (this.resumedAt === undefined ? 0 : Date.now() - this.resumedAt);
    return { first: 1 + Math.floor((millis / 1_000) * ROWS_PER_SECOND), size: WINDOW };
  }

  private async step(worker: number): Promise<void> {
    const [session, random] = [this.sessions[worker]!, this.randoms[worker]!];
    const started = performance.now();
    let rows = 0;
    try {
      if (this.plan.truncate && random.chance(0.0006)) await this.truncate(session, random);
      else rows = await this.transaction(session, random);
    } catch (error) {
      if (!isConnectionError(error)) throw error;
      session.close();
      await sleep(RECONNECT_MILLIS);
    }
    const share = (rows * 1_000 * this.plan.writers) / this.plan.rate;
    const ahead = share - (performance.now() - started);
    if (ahead > 1) await sleep(ahead);
  }

  /** Resolves with the number of rows that it changed. */
  private async transaction(session: SqlSession, random: Random): Promise<number> {
    const statements = Array.from({ length: random.pick([1, 1, 2, 3]) }, () => this.statement(random));
    const ending = random.chance(0.07) ? 'ROLLBACK' : 'COMMIT';
    const body = `BEGIN; ${statements.map(({ sql }) => sql).join('; ')}`;
    this.heat(statements);
    let committing = false;
    try {
      if (random.chance(0.15)) {
        // One that keeps its locks for a while.
        await session.query(body);
        await sleep(random.int(0, 20));
        this.heat(statements);
        committing = ending === 'COMMIT';
        await session.query(ending);
      } else {
        committing = ending === 'COMMIT';
        await session.query(`${body}; ${ending}`);
      }
    } catch (error) {
      if (isConnectionError(error)) {
        if (committing) this.unknown++;
        this.record(statements, committing ? 'unknown' : 'lost with its connection');
        throw error;
      }
      const { code } = error as { code?: string };
      await session.query('ROLLBACK');
      this.rollbacks++;
      // Expected of such a load; anything else is a mistake of the harness.
      if (code !== 'ER_DUP_ENTRY' && code !== 'ER_LOCK_DEADLOCK' && code !== 'ER_LOCK_WAIT_TIMEOUT')
        throw error;
      return 0;
    }
    this.heat(statements);
    if (ending === 'ROLLBACK') {
      this.rollbacks++;
      return 0;
    }
    this.transactions++;
    const rows = statements.reduce((sum, { numbers }) => sum + numbers.length, 0);
    this.rows += rows;
    this.record(statements, 'committed');
    return rows;
  }

  private heat(statements: readonly Statement[]): void {
    for (const { table, numbers } of statements) this.plan.journal.heat(table.name, numbers);
  }

  private record(statements: readonly Statement[], outcome: string): void {
    for (const { table, numbers, text, changeId } of statements)
      this.plan.journal.note(table.name, numbers, `${outcome}: ${text} (change ${changeId})`);
  }

  private async truncate(session: SqlSession, random: Random): Promise<void> {
    const table = random.pick(TABLES.filter(({ truncated }) => truncated));
    await session.query(`TRUNCATE TABLE ${table.name}`);
    this.truncations++;
    this.plan.journal.note(table.name, [], 'truncated');
  }

  private statement(random: Random): Statement {
    const table = random.pick(TABLES);
    const changeId = ++this.lastChangeId;
    const { first, size } = this.window;
    const count = random.pick([1, 1, 2, 5, 12]);
    const start = first + random.int(0, size - 1);
    // Ascending, which keeps most deadlocks away.
    const numbers = Array.from({ length: count }, (_, at) => start + at);
    const make = random.next();
    const base = { table, numbers, changeId };
    if (make < 0.4) return { ...base, text: 'upsert', sql: this.upsert(table, numbers, changeId, random) };
    if (make < 0.5) {
      const sql = remove(table, numbers);
      return { ...base, text: 'delete', sql };
    }
    if (make < 0.65 && table.keyChange) {
      const change = table.keyChange(start, random);
      // An address belongs to one row only.
      const changed = table.name === 'profiles' ? numbers.slice(0, 1) : numbers;
      const sql = update(table, changed, changeId, change);
      return { ...base, numbers: changed, text: `update ${change}`, sql };
    }
    const { name, big, price } = values(random);
    const sql = update(table, numbers, changeId, `name = ${name}, big = ${big}, price = ${price}`);
    return { ...base, text: 'update', sql };
  }

  /** One image for each row, whether it is an insert or an update. */
  private upsert(table: ChaosTable, numbers: readonly number[], changeId: number, random: Random): string {
    const rows = numbers.map((n): Record<string, string> => ({
      [table.idColumn]: table.id(n),
      ...table.extras(random),
      seq: '1',
      change_id: String(changeId),
      ...values(random),
    }));
    const columns = Object.keys(rows[0] ?? {});
    const tuples = rows.map((row) => `(${columns.map((column) => row[column]).join()})`);
    return (
      `INSERT INTO ${table.name} (${columns.join()}) VALUES ${tuples.join()} ` +
      `ON DUPLICATE KEY UPDATE seq = seq + 1, change_id = ${changeId}, name = ${values(random).name}; ` +
      `INSERT INTO ledger VALUES (${changeId}, ${numbers.length})`
    );
  }
}

function update(table: ChaosTable, numbers: readonly number[], changeId: number, change: string): string {
  return (
    `UPDATE ${table.name} SET seq = seq + 1, change_id = ${changeId}, ${change} WHERE ${among(table, numbers)}; ` +
    `INSERT INTO ledger VALUES (${changeId}, ROW_COUNT())`
  );
}

/** The image that a deletion carries is the one before it. */
function remove(table: ChaosTable, numbers: readonly number[]): string {
  const primaryKey = table.primaryKey.flatMap((column, at) => (at === 0 ? [column] : ["':'", column]));
  const where = among(table, numbers);
  return (
    `INSERT INTO deletion SELECT '${table.name}', CONCAT(${primaryKey.join()}), change_id FROM ${table.name} ` +
    `WHERE ${where} FOR UPDATE; DELETE FROM ${table.name} WHERE ${where}`
  );
}

function among(table: ChaosTable, numbers: readonly number[]): string {
  return `${table.idColumn} IN (${numbers.map((n) => table.id(n)).join()})`;
}

/** Values as SQL: NULLs, text of several scripts, integers beyond 2^53, fractions, times, bytes. */
function values(random: Random): {
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
    name: orNull(escape(`${random.pick(WORDS)} ${random.int(0, 1e9)}`)),
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
