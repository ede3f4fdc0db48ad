import type { Random } from '../random';
import { SqlPair } from '../sql-pair';
import { SqlSession, isConnectionError } from '../sql-session';
import type { ChaosTable } from '../tables';
import { SHARED_TABLES } from '../tables';
import type { Script } from '../scripts';
import { withSavepoints } from './savepoint-program';
import { isExpected, rowsOf, runTransaction } from './transaction';
import type { Worker, Writer, WriterTools } from './writer';

type ScriptTable = ChaosTable & { readonly script: Script };

const TABLES = SHARED_TABLES.filter((table): table is ScriptTable => table.script !== undefined);
const DDL_CHANCE = 0.15;
/** Another worker was faster at adding or dropping the column. */
const OVERTAKEN = new Set(['ER_DUP_FIELDNAME', 'ER_CANT_DROP_FIELD_OR_KEY']);

/**
 * Sessions with other character sets than UTF-8, on tables with names in their script: TRUNCATE, ALTER and rows. The
 * binlog has the text of a statement in its session's character set.
 */
export class CharsetWriter implements Writer {
  private readonly sessions = new Map<string, SqlSession>();
  /** Tables that have one more column now. */
  private readonly widened = new Set<string>();

  constructor(
    private readonly tools: WriterTools,
    private readonly truncate: boolean,
  ) {}

  /** The last DDL before a check, so that the flush after an unreadable one does not mend what these do. */
  async settle(): Promise<void> {
    for (const table of TABLES) {
      const { misleading = [] } = table.script;
      const charset = misleading.length > 0 ? this.tools.random.pick(misleading) : undefined;
      if (charset === undefined) continue;
      const session = this.sessionOf(0, charset);
      try {
        await this.redefine(session, table, this.redefinition(table, this.tools.random));
      } catch (error) {
        if (!isConnectionError(error)) throw error;
        session.close();
      }
    }
  }

  async stop(): Promise<void> {
    for (const session of this.sessions.values()) session.close();
  }

  async write({ number, random }: Worker): Promise<number> {
    const table = random.pick(TABLES);
    const charset = random.pick(table.script.charsets);
    const session = this.sessionOf(number, charset);
    const worker = { number, session, random };
    try {
      return random.chance(DDL_CHANCE)
        ? await this.redefine(session, table, this.ddl(table, random))
        : await this.writeRows(worker, table);
    } catch (error) {
      // The worker closes its own one.
      if (isConnectionError(error)) session.close();
      throw error;
    }
  }

  private async writeRows(worker: Worker, table: ScriptTable): Promise<number> {
    const { rows, counts } = this.tools;
    const { random } = worker;
    const { words } = table.script;
    // A table whose name this session can write, or one of ASCII.
    const tables = [table, table, ...SHARED_TABLES.filter(({ script }) => script === undefined)];
    const statements = rows.several(random.pick([1, 2, 3]), random, { by: 'charset', tables, words });
    const parts = statements.map(({ sql }) => sql);
    const names = words.map((word) => [word, `\`${word}\``]);
    // Servers log their names in UTF-8 and say that they are in the session's character set: a replica stops at them.
    const canReplicate = !(this.tools.server instanceof SqlPair);
    const steps =
      random.chance(0.3) && canReplicate
        ? withSavepoints(['CREATE TEMPORARY TABLE pad (id INT)', ...parts], random, names)
        : parts;
    const isDone = await runTransaction(this.tools, worker, {
      statements,
      body: `DROP TEMPORARY TABLE IF EXISTS pad; BEGIN; ${steps.join('; ')}`,
      ending: 'COMMIT',
      outcome: 'committed in another character set',
    });
    if (!isDone) return 0;
    counts.charsetGroups++;
    counts.transactions++;
    counts.rows += rowsOf(statements);
    return rowsOf(statements);
  }

  private async redefine(session: SqlSession, { name }: ScriptTable, sql: string): Promise<number> {
    const { counts, journal } = this.tools;
    try {
      await session.query(sql);
      counts.charsetDdls++;
      journal.note(name, [], `${sql}, in another character set`);
    } catch (error) {
      const { code = '' } = error as { code?: string };
      if (!OVERTAKEN.has(code) && !isExpected(error)) throw error;
    }
    return 0;
  }

  private ddl(table: ScriptTable, random: Random): string {
    if (!random.chance(0.2)) return this.redefinition(table, random);
    const comment = `${random.pick(table.script.words)} ${random.int(1, 99)}`;
    return `ALTER TABLE ${table.name} COMMENT '${comment}'`;
  }

  /** One after which no cached value is right. */
  private redefinition({ name, script }: ScriptTable, random: Random): string {
    const table = random.chance(0.5) ? name : `\`${name}\``;
    if (this.truncate && random.chance(0.5))
      return random.pick([`TRUNCATE TABLE ${table}`, `TRUNCATE ${table}`]);
    if (this.widened.delete(name)) return `ALTER TABLE ${table} DROP COLUMN ${script.column}`;
    this.widened.add(name);
    return `ALTER TABLE ${table} ADD COLUMN ${script.column} INT NOT NULL DEFAULT ${random.int(1, 99)}`;
  }

  private sessionOf(worker: number, charset: string): SqlSession {
    const id = `${worker} ${charset}`;
    const session = this.sessions.get(id) ?? new SqlSession(this.tools.server, charset);
    this.sessions.set(id, session);
    return session;
  }
}
