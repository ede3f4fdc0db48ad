import { largeStatements } from './large-statements';
import { runTransaction, sqlOf } from './transaction';
import type { Worker, Writer, WriterTools } from './writer';

const BY = 'large';
/** What the load is slowed down for: less than was written, or nothing else would be for half a minute. */
const COUNTED_ROWS = 300;
const EVERY_MILLIS = { from: 8_000, to: 14_000 };

type Shape = 'rolled back' | 'with a savepoint' | 'committed';
const SHAPES: readonly Shape[] = ['rolled back', 'with a savepoint', 'committed'];

/** Now and then a large transaction: rolled back after a temporary table, rolled back to a savepoint, or committed. */
export class LargeWriter implements Writer {
  private shapes: Shape[] = [];
  private dueAt = 0;

  constructor(private readonly tools: WriterTools) {}

  get isDue(): boolean {
    return Date.now() >= this.dueAt;
  }

  async write(worker: Worker): Promise<number> {
    const { random } = worker;
    // One at a time.
    this.dueAt = Infinity;
    try {
      if (this.shapes.length === 0) this.shapes = random.shuffled(SHAPES);
      return await this.writeAs(this.shapes.shift() ?? 'committed', worker);
    } finally {
      this.dueAt = Date.now() + random.int(EVERY_MILLIS.from, EVERY_MILLIS.to);
    }
  }

  private async writeAs(shape: Shape, worker: Worker): Promise<number> {
    const { rows, counts } = this.tools;
    const { random } = worker;
    const large = largeStatements(rows, random, BY);
    const [first, last] = [rows.any(random, { by: BY }), rows.any(random, { by: BY })];
    const temporary = 'CREATE TEMPORARY TABLE pad (id INT)';
    const bodies: Record<Shape, string> = {
      'rolled back': `${temporary}; ${first.sql}; ${sqlOf(large)}; ${last.sql}`,
      'with a savepoint': `${temporary}; ${first.sql}; SAVEPOINT s; ${sqlOf(large)}; ROLLBACK TO s; ${last.sql}`,
      committed: `${first.sql}; ${sqlOf(large)}; ${last.sql}`,
    };
    const commits = shape !== 'rolled back';
    const isDone = await runTransaction(this.tools, worker, {
      statements: [first, ...large, last],
      body: `DROP TEMPORARY TABLE IF EXISTS pad; BEGIN; ${bodies[shape]}`,
      ending: commits ? 'COMMIT' : 'ROLLBACK',
      outcome: `a large one, ${shape}`,
    });
    if (!isDone) return 0;
    counts.largeGroups++;
    if (commits) counts.transactions++;
    else counts.rollbacks++;
    return COUNTED_ROWS;
  }
}
