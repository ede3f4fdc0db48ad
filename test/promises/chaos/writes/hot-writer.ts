import { tableNamed } from '../tables';
import { upsert } from './row-statements';
import { rowsOf, runTransaction, sqlOf } from './transaction';
import type { Worker, Writer, WriterTools } from './writer';

const BY = 'hot';
/** Nobody else writes to them. */
const FIRST_HOT_ROW = 2_000_000;
const HOT_ROWS = 3;
const TABLES = ['users', 'products'].map((name) => tableNamed(name));

/** Changes the same few rows again and again, so that the calls for one row wait for each other. */
export class HotWriter implements Writer {
  constructor(private readonly tools: WriterTools) {}

  async write(worker: Worker): Promise<number> {
    const { rows, counts } = this.tools;
    const { random } = worker;
    const table = random.pick(TABLES);
    const numbers = [FIRST_HOT_ROW + random.int(1, HOT_ROWS)];
    const statements = Array.from({ length: random.int(3, 8) }, () => {
      const changeId = rows.nextChangeId(BY);
      return { table, numbers, changeId, text: 'upsert', sql: upsert(table, numbers, changeId, random) };
    });
    const isDone = await runTransaction(this.tools, worker, {
      statements,
      body: `BEGIN; ${sqlOf(statements)}`,
      ending: 'COMMIT',
      outcome: 'committed',
    });
    if (!isDone) return 0;
    counts.hotGroups++;
    counts.transactions++;
    counts.rows += rowsOf(statements);
    return rowsOf(statements);
  }
}
