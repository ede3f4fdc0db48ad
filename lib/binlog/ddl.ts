import type { SqlToken } from './sql-tokens';
import { tokenize } from './sql-tokens';

/** What a statement changes: a table, or all tables of a database when `table` is undefined. */
export interface ChangedTable {
  readonly schema: string;
  readonly table: string | undefined;
}

/** What a statement that stands in the binlog means for the rows of tables. */
export type StatementEffect =
  /** No row of a table that existed before is touched. */
  | { readonly kind: 'none' }
  /** Whatever was known of these tables no longer holds. `statement` is its kind, e.g. `DROP TABLE`. */
  | { readonly kind: 'tables'; readonly statement: string; readonly tables: readonly ChangedTable[] }
  /** It may touch any table. */
  | { readonly kind: 'unknown' };

const NONE: StatementEffect = { kind: 'none' };
export const UNKNOWN: StatementEffect = { kind: 'unknown' };

/** Statements that touch no row, whatever follows their first word. */
const HARMLESS = new Set(
  (
    'FLUSH OPTIMIZE CHECK CHECKSUM GRANT REVOKE SAVEPOINT ROLLBACK RELEASE COMMIT XA INSTALL UNINSTALL RESET USE ' +
    'LOCK UNLOCK PURGE BINLOG CACHE CHANGE START STOP KILL SHUTDOWN RESTART PREPARE DEALLOCATE'
  ).split(' '),
);

/** What CREATE, ALTER and DROP may be about without touching rows; tables and databases are looked at apart. */
const HARMLESS_OBJECTS = new Set(
  (
    'TEMPORARY VIEW ALGORITHM DEFINER SQL INDEX UNIQUE FULLTEXT SPATIAL VECTOR TRIGGER PROCEDURE FUNCTION AGGREGATE ' +
    'EVENT USER ROLE SERVER SEQUENCE PACKAGE LIBRARY TABLESPACE LOGFILE UNDO RESOURCE INSTANCE PREPARE JSON'
  ).split(' '),
);

/** Where a statement was executed. */
export interface StatementPlace {
  /** The session's default database. */
  readonly schema: string;
  /** The server. */
  readonly flavor: 'mysql' | 'mariadb';
}

/**
 * What a statement of a query event does to the rows of tables. It never says too little: what it does not
 * recognise is 'unknown'.
 */
export function effectOf(statement: string, { schema, flavor }: StatementPlace): StatementEffect {
  const readings = statement.includes('\\') ? [true, false] : [true];
  const effects = readings.map((backslashEscapes) => {
    const tokens = tokenize(statement, { flavor, backslashEscapes });
    return tokens ? read(new Reader(tokens, schema)) : undefined;
  });
  // Only one of the two readings of a backslash need make sense.
  return mergeEffects(effects.filter((effect) => effect !== undefined));
}

/** Whether a statement may have brought in, moved or dropped a foreign key. */
export function mayChangeForeignKeys(statement: string): boolean {
  return /\b(?:REFERENCES|FOREIGN|CONSTRAINT|RENAME|DROP|REPLACE)\b/i.test(statement);
}

/** The effect of a statement of which nobody can tell in which of several ways it was meant. */
export function mergeEffects(effects: readonly StatementEffect[]): StatementEffect {
  const [first, second, ...more] = effects;
  if (!first) return UNKNOWN;
  if (!second) return first;
  return mergeEffects([mergeTwo(first, second), ...more]);
}

function mergeTwo(first: StatementEffect, second: StatementEffect): StatementEffect {
  if (first.kind === 'none' && second.kind === 'none') return first;
  if (first.kind !== 'tables' || second.kind !== 'tables') return UNKNOWN;
  return { ...first, tables: [...first.tables, ...second.tables] };
}

function read(reader: Reader): StatementEffect {
  if (reader.atEnd) return NONE;
  const verb = reader.word();
  if (verb === undefined) return UNKNOWN;
  if (HARMLESS.has(verb)) return NONE;
  switch (verb) {
    case 'TRUNCATE':
      reader.skip('TABLE');
      return changes('TRUNCATE', [reader.table()]);
    case 'CREATE':
      return readCreate(reader);
    case 'ALTER':
      return readAlter(reader);
    case 'DROP':
      return readDrop(reader);
    case 'RENAME':
      return readRename(reader);
    case 'REPAIR':
    case 'ANALYZE':
      // MariaDB's ANALYZE may also stand before any statement, which is executed.
      reader.skip('NO_WRITE_TO_BINLOG', 'LOCAL');
      if (!reader.skip('TABLE', 'TABLES')) return UNKNOWN;
      return verb === 'REPAIR' ? changes('REPAIR TABLE', reader.list()) : NONE;
    case 'SET':
      // MariaDB: SET STATEMENT variable = value FOR statement.
      if (!reader.skip('STATEMENT')) return NONE;
      return reader.skipTo('FOR') ? read(reader) : UNKNOWN;
    case 'DELETE':
      // All rows of one table: what a server writes for a MEMORY table that a restart has emptied.
      if (!reader.skip('FROM')) return UNKNOWN;
      return changes('DELETE', [reader.table(), reader.atEnd ? [] : undefined]);
    default:
      return UNKNOWN;
  }
}

function readCreate(reader: Reader): StatementEffect {
  const replaces = reader.skip('OR') && reader.skip('REPLACE');
  const object = reader.word();
  if (object === 'TABLE') {
    if (!replaces) return NONE;
    reader.ifExists();
    return changes('CREATE OR REPLACE TABLE', [reader.table()]);
  }
  if (object === 'DATABASE' || object === 'SCHEMA') {
    return replaces ? changes('CREATE OR REPLACE DATABASE', [reader.database()]) : NONE;
  }
  return isHarmless(object) ? NONE : UNKNOWN;
}

function readDrop(reader: Reader): StatementEffect {
  const object = reader.word();
  if (object === 'TABLE' || object === 'TABLES') {
    reader.ifExists();
    return changes('DROP TABLE', reader.list());
  }
  if (object === 'DATABASE' || object === 'SCHEMA') {
    reader.ifExists();
    return changes('DROP DATABASE', [reader.database()]);
  }
  return isHarmless(object) ? NONE : UNKNOWN;
}

function readRename(reader: Reader): StatementEffect {
  const object = reader.word();
  if (object === 'USER') return NONE;
  if (object !== 'TABLE' && object !== 'TABLES') return UNKNOWN;
  reader.ifExists();
  const tables: Found[] = [];
  do {
    tables.push(reader.table());
    if (reader.skip('WAIT')) reader.word();
    else reader.skip('NOWAIT');
    if (!reader.skip('TO')) return UNKNOWN;
    tables.push(reader.table());
  } while (reader.skip(','));
  return changes('RENAME TABLE', tables);
}

function readAlter(reader: Reader): StatementEffect {
  while (reader.skip('ONLINE', 'OFFLINE', 'IGNORE'));
  const object = reader.word();
  if (object === 'DATABASE' || object === 'SCHEMA') return NONE;
  if (object !== 'TABLE') return isHarmless(object) ? NONE : UNKNOWN;
  reader.ifExists();
  const tables: Found[] = [reader.table()];
  while (!reader.atEnd) {
    // EXCHANGE PARTITION p WITH TABLE u; MariaDB: CONVERT PARTITION p TO TABLE u, CONVERT TABLE u TO PARTITION p.
    if (reader.skip('TABLE')) tables.push(reader.table());
    else if (reader.skip('RENAME')) {
      if (reader.skip('COLUMN', 'INDEX', 'KEY', 'CONSTRAINT')) continue;
      reader.skip('TO', 'AS', '=');
      tables.push(reader.table());
    } else reader.next();
  }
  return changes('ALTER TABLE', tables);
}

function isHarmless(object: string | undefined): boolean {
  return object !== undefined && HARMLESS_OBJECTS.has(object);
}

/** Undefined where a name could not be read. */
type Found = ChangedTable | readonly ChangedTable[] | undefined;

function changes(statement: string, found: readonly Found[]): StatementEffect {
  const tables = found.flat();
  const known = tables.filter((table) => table !== undefined);
  return known.length === tables.length ? { kind: 'tables', statement, tables: known } : UNKNOWN;
}

/** Goes over the tokens of a statement. */
class Reader {
  private at = 0;

  constructor(
    private readonly tokens: readonly SqlToken[],
    private readonly schema: string,
  ) {}

  /** A semicolon ends a statement as well. */
  get atEnd(): boolean {
    return this.tokens.slice(this.at).every(({ kind, text }) => kind === 'symbol' && text === ';');
  }

  next(): SqlToken | undefined {
    return this.tokens[this.at++];
  }

  /** The next word in upper case; undefined where something else comes. */
  word(): string | undefined {
    const token = this.next();
    return token?.kind === 'word' ? token.text.toUpperCase() : undefined;
  }

  /** Passes over one of these keywords or symbols, if it comes next. */
  skip(...texts: string[]): boolean {
    const token = this.tokens[this.at];
    const quoted = token?.kind === 'name' || token?.kind === 'string';
    if (!token || quoted || !texts.includes(token.text.toUpperCase())) return false;
    this.at++;
    return true;
  }

  /** Passes over everything up to a keyword outside of parentheses, and over that. */
  skipTo(keyword: string): boolean {
    let depth = 0;
    while (this.at < this.tokens.length) {
      if (depth === 0 && this.skip(keyword)) return true;
      if (this.skip('(')) depth++;
      else if (this.skip(')')) depth--;
      else this.at++;
    }
    return false;
  }

  ifExists(): void {
    if (!this.skip('IF')) return;
    this.skip('NOT');
    this.skip('EXISTS');
  }

  /** `t` or `db.t`. */
  table(): ChangedTable | undefined {
    const first = this.name();
    if (first === undefined) return undefined;
    if (!this.skip('.')) return { schema: this.schema, table: first };
    const second = this.name();
    return second === undefined ? undefined : { schema: first, table: second };
  }

  list(): Found[] {
    const tables: Found[] = [];
    do tables.push(this.table());
    while (this.skip(','));
    return tables;
  }

  database(): ChangedTable | undefined {
    this.ifExists();
    const schema = this.name();
    return schema === undefined ? undefined : { schema, table: undefined };
  }

  private name(): string | undefined {
    const token = this.next();
    const isName = token?.kind === 'word' || token?.kind === 'name';
    // The replacement character stands for bytes of another character set than UTF-8.
    return isName && token.text !== '' && !token.text.includes('\ufffd') ? token.text : undefined;
  }
}
