import type { Random } from '../random';
import type { ChaosTable } from '../tables';
import { tableNamed } from '../tables';
import type { Statement } from './row-statements';
import { update } from './row-statements';
import { withSavepoints } from './savepoint-program';
import { rowsOf, runTransaction } from './transaction';
import type { Worker, Writer, WriterTools } from './writer';

const BY = 'sequence';
const NEXT = 'NEXTVAL(session_numbers)';

/** Takes numbers from a sequence of MariaDB that a rule with a wildcard matches, outside of transactions and within. */
export class SequenceWriter implements Writer {
  private readonly users: ChaosTable = tableNamed('users');

  constructor(private readonly tools: WriterTools) {}

  async write(worker: Worker): Promise<number> {
    const { rows, counts } = this.tools;
    const { session, random } = worker;
    counts.sequenceCalls++;
    if (random.chance(0.3)) {
      await session.query(`SELECT ${NEXT}`);
      return 0;
    }
    const statements = [...rows.several(random.int(1, 2), random, { by: BY }), this.numbered(random)];
    const parts = random.shuffled([
      ...statements.map(({ sql }) => sql),
      `DO ${NEXT}`,
      ...(random.chance(0.5) ? ['CREATE TEMPORARY TABLE pad (id INT)'] : []),
    ]);
    const steps = random.chance(0.5) ? withSavepoints(parts, random) : parts;
    const commits = !random.chance(0.3);
    const isDone = await runTransaction(this.tools, worker, {
      statements,
      body: `DROP TEMPORARY TABLE IF EXISTS pad; BEGIN; ${steps.join('; ')}`,
      ending: commits ? 'COMMIT' : 'ROLLBACK',
      outcome: `${commits ? 'committed' : 'rolled back'}, with numbers of a sequence`,
    });
    if (!isDone) return 0;
    if (commits) counts.transactions++;
    else counts.rollbacks++;
    return commits ? rowsOf(statements) : 0;
  }

  /** Changes of the sequence and of rows in one statement. */
  private numbered(random: Random): Statement {
    const { users: table } = this;
    const changeId = this.tools.rows.nextChangeId(BY);
    const numbers = this.tools.rows.numbers(random);
    const sql = update(table, numbers, changeId, `big = ${NEXT}`);
    return { table, numbers, changeId, text: 'update with numbers of a sequence', sql };
  }
}
