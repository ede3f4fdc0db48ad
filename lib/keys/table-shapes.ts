import type { TableShape } from '../change/stream';
import type { TableName, TableScope } from '../change/table-name';
import { isInScope, nameOf } from '../change/table-name';
import { needsShape } from './row-keys';
import type { TableRules } from './table-rules';

/** Of one pattern; what is beyond may exist without being known. */
export const MAX_TABLES_CHECKED = 1_000;

/** Asks the source what a table looks like; undefined where it does not exist. */
export type DescribeTable = (name: TableName) => Promise<TableShape | undefined>;

interface Question {
  readonly table: TableName;
  readonly answered: Promise<void>;
}

/** What the watched tables look like now, of those whose keys depend on it. */
export class TableShapes {
  private readonly known = new Map<string, TableShape>();
  /** Questions to the source that are on their way. */
  private readonly asked = new Map<string, Question>();
  private describe: DescribeTable | undefined;

  constructor(private readonly rules: TableRules) {}

  /** From now on the source can be asked. */
  use(describe: DescribeTable): void {
    this.describe = describe;
  }

  get(name: TableName): TableShape | undefined {
    return this.known.get(nameOf(name));
  }

  /** The names of all that are known; undefined where there are none, or so many that not all may be known. */
  get names(): readonly string[] | undefined {
    const { size } = this.known;
    return size > 0 && size < MAX_TABLES_CHECKED ? [...this.known.keys()] : undefined;
  }

  learn(shape: TableShape): void {
    const name = nameOf(shape);
    // An answer that is on its way may be older.
    this.asked.delete(name);
    const rule = this.rules.find(shape.schema, shape.table);
    if (rule && needsShape(rule)) this.known.set(name, shape);
  }

  /**
   * A table, all of a database, or with undefined any table may look another way now. Resolves when that is known, or
   * nothing is: never rejects.
   */
  async refresh(redefined: TableScope | undefined): Promise<void> {
    const isMeant = (table: TableName): boolean => redefined === undefined || isInScope(table, redefined);
    for (const [name, { table }] of this.asked) if (isMeant(table)) this.asked.delete(name);
    await Promise.all(
      [...this.known.values()].filter(isMeant).map(async (shape) => {
        await this.ask(shape);
        // No answer: it is asked again when a key is needed, and keys of the old form are no longer made.
        if (this.get(shape) === shape) this.known.delete(nameOf(shape));
      }),
    );
  }

  /** Never rejects: what stays unknown is asked for again at the next need. */
  async ask(name: TableName): Promise<void> {
    const { describe, asked } = this;
    if (!describe) return;
    const full = nameOf(name);
    const known = asked.get(full);
    if (known) return known.answered;
    const answer = describe(name).catch(() => undefined);
    const question: Question = {
      table: name,
      answered: answer.then((shape) => {
        // It was overtaken: what the source said may be older than what has become known meanwhile.
        if (asked.get(full) !== question) return;
        asked.delete(full);
        if (shape) this.learn(shape);
      }),
    };
    asked.set(full, question);
    return question.answered;
  }
}
