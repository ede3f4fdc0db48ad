import type { Random } from '../random';
import type { ChaosTable } from '../tables';
import { TABLES } from '../tables';
import type { Statement } from './row-statements';
import { remove, update, upsert } from './row-statements';
import { rowsOf, runTransaction } from './transaction';
import type { Worker, Writer, WriterTools } from './writer';

const BY = 'loose';
const LOOSE = TABLES.filter(({ writtenBy }) => writtenBy === 'loose');
/** More than there are workers: each of them has rows of its own, since nothing locks them. */
const LANES = 64;
const ROWS_PER_LANE = 5;

/**
 * Rows of MyISAM and Aria within a transaction: they stay when it is rolled back, and so do those of their ledger. A
 * killed server may lose one of the two, so that this is not done while one is killed.
 */
export class LooseWriter implements Writer {
  constructor(private readonly tools: WriterTools) {}

  async write(worker: Worker): Promise<number> {
    return (await this.tools.fragile.run(() => this.writeNow(worker))) ?? 0;
  }

  private async writeNow(worker: Worker): Promise<number> {
    const { rows, counts } = this.tools;
    const { random } = worker;
    const loose = Array.from({ length: random.int(1, 2) }, () => this.statement(worker));
    const others = rows.several(random.int(1, 3), random, { by: BY });
    const commits = random.chance(0.4);
    const parts = random.shuffled([
      ...[...loose, ...others].map(({ sql }) => sql),
      ...(random.chance(0.5) ? ['CREATE TEMPORARY TABLE pad (id INT)'] : []),
    ]);
    const isDone = await runTransaction(this.tools, worker, {
      statements: [...loose, ...others],
      body: `DROP TEMPORARY TABLE IF EXISTS pad; BEGIN; ${parts.join('; ')}`,
      ending: commits ? 'COMMIT' : 'ROLLBACK',
      outcome: commits ? 'committed' : 'rolled back but for rows without transactions',
    });
    if (!isDone) return 0;
    counts.looseGroups++;
    if (commits) counts.transactions++;
    else counts.rollbacks++;
    return rowsOf(commits ? [...loose, ...others] : loose);
  }

  private statement({ number: lane, random }: Worker): Statement {
    const table: ChaosTable = random.pick(LOOSE);
    const changeId = this.tools.rows.nextChangeId(BY);
    const numbers = lanes(lane, random);
    const base = { table, numbers, changeId };
    const kind = random.next();
    if (kind < 0.5) return { ...base, text: 'upsert', sql: upsert(table, numbers, changeId, random) };
    if (kind < 0.6) return { ...base, text: 'delete', sql: remove(table, numbers, changeId) };
    return {
      ...base,
      text: 'update',
      sql: update(table, numbers, changeId, `price = ${random.int(1, 1e6)}`),
    };
  }
}

function lanes(lane: number, random: Random): number[] {
  const first = random.int(0, ROWS_PER_LANE - 1);
  return Array.from({ length: random.int(1, 2) }, (_, at) => (first + at) * LANES + lane + 1);
}
