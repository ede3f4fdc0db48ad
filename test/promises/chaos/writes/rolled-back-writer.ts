import type { Random } from '../random';
import { runTransaction } from './transaction';
import type { Worker, Writer, WriterTools } from './writer';

const ENDINGS = ['ROLLBACK', 'ROLLBACK', 'ROLLBACK WORK', 'ROLLBACK AND CHAIN; COMMIT'];
/** What keeps MariaDB from dropping the group, and what has to stand before the transaction for that. */
const CAUSES = [
  { before: '', cause: 'CREATE TEMPORARY TABLE pad (id INT)' },
  { before: '', cause: 'CREATE TEMPORARY TABLE pad SELECT * FROM users LIMIT 3' },
  { before: 'CREATE TEMPORARY TABLE pad (id INT); ', cause: 'DROP TEMPORARY TABLE pad' },
];

/**
 * Transactions that are rolled back and yet stand in the binlog of MariaDB, rows and all, because a temporary table
 * was made or dropped in them. MySQL writes nothing.
 */
export class RolledBackWriter implements Writer {
  constructor(private readonly tools: WriterTools) {}

  async write(worker: Worker): Promise<number> {
    const { rows, counts } = this.tools;
    const { random, session } = worker;
    const statements = rows.several(random.int(1, 4), random, { by: 'rollback' });
    const { body, isCutOff } = this.plan(
      statements.map(({ sql }) => sql),
      random,
    );
    if (isCutOff) {
      // The server rolls back what its client has left.
      const isDone = await runTransaction(this.tools, worker, {
        statements,
        body,
        ending: 'SELECT 1',
        outcome: 'left open',
      });
      session.close();
      if (!isDone) return 0;
    } else {
      const ending = random.pick(ENDINGS);
      const outcome = 'rolled back after a temporary table';
      if (!(await runTransaction(this.tools, worker, { statements, body, ending, outcome }))) return 0;
    }
    counts.rollbacks++;
    counts.rolledBackGroups++;
    return 0;
  }

  private plan(parts: readonly string[], random: Random): { body: string; isCutOff: boolean } {
    const { before, cause } = random.pick(CAUSES);
    const at = random.int(0, parts.length);
    const inside = [...parts.slice(0, at), cause, ...parts.slice(at)];
    const clean = 'DROP TEMPORARY TABLE IF EXISTS pad';
    return { body: `${clean}; ${before}BEGIN; ${inside.join('; ')}`, isCutOff: random.chance(0.1) };
  }
}
