import { SHARED_TABLES } from '../tables';
import { isExpected, rowsOf, runTransaction, sqlOf } from './transaction';
import type { Worker, Writer, WriterTools } from './writer';

const TRUNCATE_CHANCE = 0.0006;
const TRUNCATED = SHARED_TABLES.filter(({ truncated }) => truncated);

/** Transactions of a few statements, some of them rolled back, and now and then a truncated table. */
export class PlainWriter implements Writer {
  constructor(
    private readonly tools: WriterTools,
    private readonly truncate: boolean,
  ) {}

  async write(worker: Worker): Promise<number> {
    if (this.truncate && worker.random.chance(TRUNCATE_CHANCE)) return this.truncateOne(worker);
    const { counts, rows } = this.tools;
    const { random } = worker;
    const statements = rows.several(random.pick([1, 1, 2, 3]), random, { by: 'plain' });
    const commits = !random.chance(0.07);
    const isDone = await runTransaction(this.tools, worker, {
      statements,
      body: `BEGIN; ${sqlOf(statements)}`,
      ending: commits ? 'COMMIT' : 'ROLLBACK',
      outcome: commits ? 'committed' : 'rolled back',
    });
    if (!isDone) return 0;
    if (!commits) {
      counts.rollbacks++;
      return 0;
    }
    counts.transactions++;
    counts.rows += rowsOf(statements);
    return rowsOf(statements);
  }

  private async truncateOne({ session, random }: Worker): Promise<number> {
    const table = random.pick(TRUNCATED);
    try {
      await session.query(`TRUNCATE TABLE ${table.name}`);
      this.tools.counts.truncations++;
      this.tools.journal.note(table.name, [], 'truncated');
    } catch (error) {
      if (!isExpected(error)) throw error;
    }
    return 0;
  }
}
