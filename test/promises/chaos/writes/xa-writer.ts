import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlSession } from '../sql-session';
import { isConnectionError } from '../sql-session';
import type { Random } from '../random';
import { tableNamed } from '../tables';
import { largeStatements } from './large-statements';
import type { Statement } from './row-statements';
import { upsert } from './row-statements';
import { withSavepoints } from './savepoint-program';
import { heat, isExpected, record, rowsOf } from './transaction';
import type { Worker, Writer, WriterTools } from './writer';
import type { Xa, XaDecision } from './xa-book';
import { XaBook } from './xa-book';
import { XaFinisher } from './xa-finisher';
import type { Xid } from './xid';
import { makeXids } from './xid';

const BY = 'xa';
/** How one ends: by its own connection, in one or two phases or before it was prepared, or by another one, some later. */
type Shape = 'one phase' | 'unprepared' | 'two phases' | 'left' | 'kept';
const SHAPES: readonly Shape[] = ['one phase', 'unprepared', 'two phases', 'left', 'left', 'left', 'kept'];
/** Most are finished soon, since others wait for the rows that they lock. */
const PAUSES = [5, 20, 50, 80, 400];
/** Those that are kept outlive restarts of the app and the server; nobody else writes to their rows. */
const KEPT_MILLIS = 6_000;
const FIRST_KEPT_ROW = 1_000_000;
const KEPT_TABLES = ['users', 'products'].map((name) => tableNamed(name));
const LARGE_EVERY_MILLIS = 30_000;

/** XA transactions: in one phase or two, finished by the connection that prepared them or by another, or rolled back. */
export class XaWriter implements Writer {
  private readonly book = new XaBook();
  private readonly finisher: XaFinisher;
  private batches = 0;
  private largeDueAt = 0;
  private keptRows = 0;

  constructor(private readonly tools: WriterTools) {
    this.finisher = new XaFinisher(tools, this.book);
  }

  settle(): Promise<void> {
    return this.finisher.settle();
  }

  resume(): void {
    this.finisher.resume();
  }

  stop(): Promise<void> {
    return this.finisher.stop();
  }

  async write(worker: Worker): Promise<number> {
    return (await this.tools.prepared.run(() => this.writeNow(worker))) ?? 0;
  }

  private async writeNow(worker: Worker): Promise<number> {
    const { random } = worker;
    const shape = random.pick(SHAPES);
    // After a kill MariaDB may have one in the binlog and not in the table, or the other way round.
    const isFragile = shape === 'one phase' && this.tools.server.kind === 'mariadb';
    const write = (): Promise<number> => this.writeAs(shape, worker);
    return isFragile ? ((await this.tools.fragile.run(write)) ?? 0) : write();
  }

  private async writeAs(shape: Shape, worker: Worker): Promise<number> {
    const { random } = worker;
    // Several that are prepared at a time.
    const count = shape === 'left' || shape === 'kept' ? random.pick([1, 1, 2, 3]) : 1;
    let changed = 0;
    for (const xid of makeXids(count, ++this.batches, random)) {
      const statements = shape === 'kept' ? [this.keptStatement(random)] : this.statements(random);
      const parts = this.partsOf(statements, random);
      if (await this.run(worker, xid, statements, parts, shape)) changed += rowsOf(statements);
    }
    return changed;
  }

  private statements(random: Random): Statement[] {
    const { rows, counts } = this.tools;
    const statements = rows.several(random.pick([1, 2, 3]), random, { by: BY });
    if (Date.now() < this.largeDueAt) return statements;
    this.largeDueAt = Date.now() + LARGE_EVERY_MILLIS;
    counts.largeGroups++;
    return [...statements, ...largeStatements(rows, random, BY)];
  }

  private keptStatement(random: Random): Statement {
    const table = random.pick(KEPT_TABLES);
    const changeId = this.tools.rows.nextChangeId(BY);
    const numbers = Array.from({ length: random.int(1, 3) }, () => FIRST_KEPT_ROW + ++this.keptRows);
    return { table, numbers, changeId, text: 'insert', sql: upsert(table, numbers, changeId, random) };
  }

  private partsOf(statements: readonly Statement[], random: Random): string[] {
    const parts = statements.map(({ sql }) => sql);
    if (!random.chance(0.3)) return parts;
    // MySQL refuses temporary tables here.
    const isMariadb = this.tools.server.kind === 'mariadb';
    return withSavepoints([...(isMariadb ? ['CREATE TEMPORARY TABLE pad (id INT)'] : []), ...parts], random);
  }

  /** False where the server refused it. */
  private async run(
    { session, random }: Worker,
    xid: Xid,
    statements: readonly Statement[],
    parts: readonly string[],
    shape: Shape,
  ): Promise<boolean> {
    const { journal } = this.tools;
    const xa = this.book.open(xid, statements);
    heat(journal, statements);
    try {
      await session.query(
        `DROP TEMPORARY TABLE IF EXISTS pad; XA START ${xa.sql}; ${parts.join('; ')}; XA END ${xa.sql}`,
      );
      if (shape === 'one phase') await this.end(session, xa, 'COMMIT', ' ONE PHASE');
      else if (shape === 'unprepared') await this.end(session, xa, 'ROLLBACK');
      else {
        await session.query(`XA PREPARE ${xa.sql}`);
        record(journal, statements, 'XA PREPARE');
        const pause = random.int(0, shape === 'kept' ? KEPT_MILLIS : random.pick(PAUSES));
        if (shape !== 'two phases') await this.handOver(session, xa, pause, random);
        else {
          await sleep(pause);
          await this.end(session, xa, random.pick<XaDecision>(['COMMIT', 'COMMIT', 'ROLLBACK']));
        }
      }
      return true;
    } catch (error) {
      this.book.letGo(xa);
      if (isConnectionError(error)) {
        this.book.mayHaveLost = true;
        record(journal, statements, 'lost its connection within XA');
        throw error;
      }
      await this.refuse(session, xa, error);
      return false;
    }
  }

  private async end(session: SqlSession, xa: Xa, decision: XaDecision, more = ''): Promise<void> {
    const { journal, counts } = this.tools;
    xa.decision = decision;
    heat(journal, xa.statements);
    await session.query(`XA ${decision} ${xa.sql}${more}`);
    this.book.letGo(xa);
    heat(journal, xa.statements);
    record(journal, xa.statements, `XA ${decision}${more}`);
    if (decision === 'COMMIT') {
      counts.xaCommits++;
      counts.transactions++;
      counts.rows += rowsOf(xa.statements);
    } else {
      counts.xaRollbacks++;
      counts.rollbacks++;
    }
  }

  /** MariaDB lets another connection finish it only once this one is closed. */
  private async handOver(session: SqlSession, xa: Xa, pauseMillis: number, random: Random): Promise<void> {
    if (this.tools.server.kind === 'mariadb') {
      if (random.chance(0.5)) await session.end();
      else session.close();
    }
    this.book.leave(xa, Date.now() + pauseMillis);
  }

  /** Rethrows what nobody expects. */
  private async refuse(session: SqlSession, xa: Xa, error: unknown): Promise<void> {
    this.tools.counts.rollbacks++;
    xa.decision = 'ROLLBACK';
    for (const sql of [`XA END ${xa.sql}`, `XA ROLLBACK ${xa.sql}`]) {
      try {
        await session.query(sql);
      } catch (second) {
        if (isConnectionError(second)) throw second;
        // It had ended already, or the server has rolled it back by itself.
      }
    }
    if (!isExpected(error)) throw error;
  }
}
