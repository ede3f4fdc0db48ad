import type { Random } from '../random';
import { rowsOf, runTransaction } from './transaction';
import { withSavepoints } from './savepoint-program';
import type { Worker, Writer, WriterTools } from './writer';

/**
 * Transactions that go back to savepoints. With a temporary table, or with rows of a table without transactions,
 * MariaDB logs what was rolled back, and ROLLBACK TO after it.
 */
export class SavepointWriter implements Writer {
  constructor(private readonly tools: WriterTools) {}

  async write(worker: Worker): Promise<number> {
    const { rows, counts } = this.tools;
    const { random } = worker;
    const statements = rows.several(random.int(2, 5), random, { by: 'savepoint' });
    const parts = withCause(
      statements.map(({ sql }) => sql),
      random,
      this.tools.server.kind,
    );
    const commits = !random.chance(0.2);
    const isDone = await runTransaction(this.tools, worker, {
      statements,
      body: `DROP TEMPORARY TABLE IF EXISTS pad; BEGIN; ${withSavepoints(parts, random).join('; ')}`,
      ending: commits ? 'COMMIT' : 'ROLLBACK',
      outcome: `${commits ? 'committed' : 'rolled back'}, with savepoints`,
    });
    if (!isDone) return 0;
    counts.savepointGroups++;
    if (commits) counts.transactions++;
    else counts.rollbacks++;
    return commits ? rowsOf(statements) : 0;
  }
}

/** Most of them have something in them, somewhere, that keeps the binlog from dropping what is rolled back. */
function withCause(parts: readonly string[], random: Random, server: 'mysql' | 'mariadb'): string[] {
  const temporary = 'CREATE TEMPORARY TABLE pad (id INT)';
  // MySQL refuses rows without transactions within one.
  const causes =
    server === 'mariadb' ? [temporary, temporary, 'INSERT INTO scrap VALUES (1)', ''] : [temporary, ''];
  const cause = random.pick(causes);
  if (cause === '') return [...parts];
  const at = random.chance(0.5) ? 0 : random.int(0, parts.length);
  return [...parts.slice(0, at), cause, ...parts.slice(at)];
}
