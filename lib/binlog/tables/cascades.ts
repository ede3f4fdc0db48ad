import type { ErrorReporter } from '../../errors/error-reporter';
import { currentUser, isDenied } from '../../mysql/grants';
import type { TableRules } from '../../keys/table-rules';
import { toRegExp } from '../../keys/patterns';
import type { ForeignKey } from './cascade-graph';
import { CascadeGraph, idOf } from './cascade-graph';
import type { ControlConnection, ServerInfo } from '../../mysql/control-connection';
import { quoteTable } from '../../mysql/sql-text';
import type { Watchlist } from './watchlist';

const KEYS = `
  SELECT CONSTRAINT_NAME AS name, TABLE_NAME AS t, COLUMN_NAME AS c, REFERENCED_TABLE_SCHEMA AS ps,
         REFERENCED_TABLE_NAME AS pt, REFERENCED_COLUMN_NAME AS pc
    FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE
   WHERE TABLE_SCHEMA = ? AND REFERENCED_TABLE_NAME IS NOT NULL ORDER BY ORDINAL_POSITION`;
const RULES = `
  SELECT CONSTRAINT_NAME AS name, TABLE_NAME AS t, DELETE_RULE AS onDelete, UPDATE_RULE AS onUpdate
    FROM INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ?`;

/**
 * Whether the source writes what foreign keys change into its binlog: MySQL from 9.6 does, where SQL and not InnoDB
 * carries them out.
 */
export async function logsCascades(control: ControlConnection, server: ServerInfo): Promise<boolean> {
  if (server.flavor === 'mariadb') return false;
  const variables = await control.variables('innodb_native_foreign_keys');
  return variables.get('innodb_native_foreign_keys') === 'OFF';
}

/** What it takes to know what foreign keys do. */
export interface CascadesContext {
  readonly control: ControlConnection;
  readonly rules: TableRules;
  readonly mode: 'flush' | 'warn';
  readonly watchlist: Watchlist;
  readonly errors: Pick<ErrorReporter, 'info' | 'warn'>;
  /**
   * All that were seen since the start: one that was dropped meanwhile counts on, because the stream may not have
   * come to that yet.
   */
  readonly seen: Map<string, ForeignKey>;
}

/** Reads the foreign keys that lead into watched tables, and has the watchlist know them. */
export class Cascades {
  constructor(private readonly context: CascadesContext) {}

  /** Reads them anew. Rejects when the source does not answer. */
  async load(): Promise<void> {
    const added: ForeignKey[] = [];
    for (const key of await this.readKeys()) {
      if (!this.context.seen.has(idOf(key))) added.push(key);
      this.context.seen.set(idOf(key), key);
    }
    const isWatched = (schema: string, table: string): boolean =>
      this.context.rules.find(schema, table) !== undefined;
    const graph = new CascadeGraph([...this.context.seen.values()], isWatched);
    if (this.context.mode === 'flush') this.context.watchlist.use(graph);
    const leading = added.filter((key) => graph.leadsSomewhere(key));
    if (leading.length === 0) return;
    const names = leading.map(describe).join(', ');
    if (this.context.mode === 'flush') {
      this.context.errors.info(
        `The source does not log what foreign keys change; a change of their parents removes all keys of the tables behind them: ${names}`,
      );
      await this.checkParents(leading);
    } else {
      this.context.errors.warn(
        `The source does not log what foreign keys change, so that keys become stale by ${names}. ` +
          "Set cascades: 'flush', or have the application change the rows of the children itself",
      );
    }
  }

  /** Only the databases from which a watched table can be reached. */
  private async readKeys(): Promise<ForeignKey[]> {
    const patterns = this.context.rules.all.map((rule) => toRegExp(rule.db));
    const rows = await this.context.control.query('SELECT SCHEMA_NAME AS s FROM INFORMATION_SCHEMA.SCHEMATA');
    const existing = rows.map((row) => String(row['s']));
    const schemas = new Set(existing.filter((schema) => patterns.some((pattern) => pattern.test(schema))));
    const keys: ForeignKey[] = [];
    // Those of the parents are added as it goes on.
    for (const schema of schemas) {
      for (const key of await this.readKeysOf(schema)) {
        keys.push(key);
        schemas.add(key.parent.schema);
      }
    }
    return keys;
  }

  private async readKeysOf(schema: string): Promise<ForeignKey[]> {
    const columns = await this.context.control.query(KEYS, [schema]);
    if (columns.length === 0) return [];
    const rules = await this.context.control.query(RULES, [schema]);
    const found = new Map<string, ForeignKey & { columns: string[]; referenced: string[] }>();
    for (const row of columns) {
      const [name, table] = [String(row['name']), String(row['t'])];
      const id = `${table}\0${name}`;
      const rule = rules.find((each) => each['name'] === name && each['t'] === table);
      const key = found.get(id) ?? {
        name,
        child: { schema, table },
        parent: { schema: String(row['ps']), table: String(row['pt']) },
        columns: [],
        referenced: [],
        onDelete: rule && String(rule['onDelete']),
        onUpdate: rule && String(rule['onUpdate']),
      };
      key.columns.push(String(row['c']));
      key.referenced.push(String(row['pc']));
      found.set(id, key);
    }
    return [...found.values()];
  }

  /** Without SELECT on a parent MariaDB hides the rules, and no server tells the names of its columns. */
  private async checkParents(keys: readonly ForeignKey[]): Promise<void> {
    const parents = new Set(keys.map(({ parent }) => quoteTable(parent)));
    for (const parent of parents) {
      try {
        await this.context.control.query(`SELECT 1 FROM ${parent} LIMIT 0`);
      } catch (error) {
        if (!isDenied(error)) continue;
        this.context.errors.warn(
          `The user may not read ${parent}, which a foreign key of a watched table refers to, so that more keys are ` +
            `removed than needed, and foreign keys behind it are not seen: GRANT SELECT ON ${parent} TO ${await currentUser(this.context.control)}`,
        );
      }
    }
  }
}

function describe({ name, child, parent, onDelete, onUpdate }: ForeignKey): string {
  const rules =
    onDelete === undefined
      ? 'rules unknown, GRANT REFERENCES shows them'
      : `on delete ${onDelete}, on update ${onUpdate}`.toLowerCase();
  return `${child.schema}.${child.table}.${name} (to ${parent.schema}.${parent.table}, ${rules})`;
}
