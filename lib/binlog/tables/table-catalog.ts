import type { BinlogPlace } from '../../change/position';
import type { TableScope } from '../../change/table-name';
import { isInScope, isSameButForCase } from '../../change/table-name';
import type { Cascade, TableShape } from '../../change/stream';
import type { Cascades } from './cascades';
import type { ControlConnection, ServerInfo } from '../../mysql/control-connection';
import { resolveColumns } from '../../decode/column';
import type { ValueOptions } from '../../decode/rows-decoder';
import { RowsDecoder } from '../../decode/rows-decoder';
import type { TableMap } from '../../decode/table-map';
import { parseTableMap, readTableId } from '../../decode/table-map';
import { comparePositions } from '../../change/position';
import { WitnessTable } from './witness-table';
import type { TableDefinition } from '../../mysql/table-definition';
import { loadCharsets, loadEngines, loadTableDefinition } from '../../mysql/table-definition';
import type { Watchlist } from './watchlist';

/** A table as its latest table map describes it. */
export interface CatalogEntry {
  readonly shape: TableShape;
  /** Undefined where the table's rows cannot show whether their transaction can be read. */
  readonly witness: WitnessTable | undefined;
  /** Throws what made the table's rows undecodable. */
  decoder(): RowsDecoder;
}

/** What a table id of the stream stands for: a table that is read, or null for one that matters to nobody. */
type Resolved = CatalogEntry | null;

interface Entry {
  readonly bytes: Buffer;
  readonly resolved: Resolved;
  /** How far the source was when it told the names of the columns; undefined where the table map holds them. */
  readonly namesOf: BinlogPlace | undefined;
}

/** Which columns of a table are worth decoding now; undefined stands for all. The same set comes as the same object. */
export type Projection = (table: TableShape) => ReadonlySet<string> | undefined;

/** What a catalog works with. */
export interface CatalogContext {
  readonly control: ControlConnection;
  readonly server: ServerInfo;
  readonly watchlist: Watchlist;
  /** How values are read. */
  readonly values: ValueOptions;
  readonly projection: Projection;
  /** Undefined where the source logs what foreign keys change. */
  readonly cascades: Cascades | undefined;
}

/** Table ids are never reused while a server runs, so that old ones have to be dropped at some time. */
const MAX_ENTRIES = 5_000;
const NO_COLUMNS: ReadonlySet<string> = new Set();
/** What MariaDB's SEQUENCEs consist of (sql/sql_sequence.cc). */
const SEQUENCE_COLUMNS =
  'next_not_cached_value,minimum_value,maximum_value,start_value,increment,cache_size,cycle_option,cycle_count';
/** MariaDB ends some statements with a row event of no table, which only carries the end-of-statement flag. */
const NO_TABLE = 0xffffff;

/**
 * Knows the tables behind the table ids of one stream. Each transaction repeats its tables' maps; they are
 * compared by their bytes, so that only new ones are parsed.
 */
export class TableCatalog {
  private readonly entries = new Map<number, Entry>();
  private charsets: ReadonlyMap<number, string> = new Map();
  private engines: ReadonlyMap<string, boolean> = new Map();
  /** Foreign keys may have changed since they were read. */
  private cascadesOutdated = false;

  constructor(private readonly context: CatalogContext) {}

  /** Asks beforehand what every table needs, so that the first change is not held up by it. */
  async warmUp(): Promise<void> {
    this.charsets = await loadCharsets(this.context.control);
    this.engines = await loadEngines(this.context.control);
    await this.context.cascades?.load();
  }

  /** The name of a collation's character set; undefined for one that the source does not tell. */
  charsetOf(collationId: number): string | undefined {
    return this.charsets.get(collationId);
  }

  /** Takes note of a table map. Returns it when its table has to be loaded first. */
  see(buffer: Buffer, start: number, end: number): TableMap | undefined {
    const tableId = readTableId(buffer, start);
    const known = this.entries.get(tableId);
    if (known && !this.cascadesOutdated && known.bytes.compare(buffer, start, end) === 0) {
      // The map of entries is kept in the order of their use, so that those in use are not dropped.
      this.entries.delete(tableId);
      this.entries.set(tableId, known);
      return undefined;
    }
    const map = parseTableMap(buffer, start, end);
    if (this.cascadesOutdated || this.context.watchlist.isRead(map.schema, map.table)) return map;
    const bytes = Buffer.from(buffer.subarray(start, end));
    this.remember(tableId, { bytes, resolved: null, namesOf: undefined });
    return undefined;
  }

  /** Resolves a table with the help of the source. Rejects when the source does not answer. */
  async load(map: TableMap, bytes: Buffer): Promise<void> {
    if (this.cascadesOutdated) await this.reloadCascades();
    if (!this.context.watchlist.isRead(map.schema, map.table)) {
      this.remember(map.tableId, { bytes, resolved: null, namesOf: undefined });
      return;
    }
    const definition = await loadTableDefinition(
      this.context.control,
      this.context.server.flavor,
      map.schema,
      map.table,
    );
    // Asked afterwards, so that no ALTER which the definition already shows can stand behind it.
    const namesOf = map.hasNames
      ? undefined
      : await this.context.control.currentPosition(this.context.server);
    this.remember(map.tableId, { bytes, resolved: this.resolve(map, definition), namesOf });
  }

  /**
   * A statement may have changed a table or database, or any with undefined: what is known of it is looked up
   * again, even if its next table map has the same bytes.
   *
   * @param end where the statement ends in the binlog
   * @returns the watched tables whose rows before the statement were decoded with names from after it
   */
  forget(changed: TableScope | undefined, end: BinlogPlace): TableShape[] {
    const uncertain: TableShape[] = [];
    for (const [tableId, { resolved, namesOf }] of this.entries) {
      if (!resolved || (changed && !isInScope(resolved.shape, changed))) continue;
      this.entries.delete(tableId);
      const hadNames = namesOf !== undefined && resolved.shape.columns.length > 0;
      if (hadNames && comparePositions(namesOf, end) >= 0) uncertain.push(resolved.shape);
    }
    return uncertain;
  }

  /** A statement may have brought in, moved or changed a foreign key: they are read again before the next rows. */
  forgetCascades(): void {
    this.cascadesOutdated = this.context.cascades !== undefined;
  }

  /** The table of a rows event; null when nobody watches it, undefined when its map was never seen. */
  find(buffer: Buffer, bodyStart: number): Resolved | undefined {
    const tableId = readTableId(buffer, bodyStart);
    return tableId === NO_TABLE ? null : this.entries.get(tableId)?.resolved;
  }

  private resolve(map: TableMap, definition: TableDefinition | undefined): Resolved {
    if (isSequence(map, definition)) return null;
    const base = {
      schema: map.schema,
      table: map.table,
      cascades: this.context.watchlist.cascadesOf(map.schema, map.table),
      transactional: this.engines.get(definition?.engine?.toLowerCase() ?? ''),
      parentOnly: !this.context.watchlist.isWatched(map.schema, map.table),
    };
    try {
      const columns = resolveColumns(
        map,
        definition && [...definition.columns],
        (id) => this.charsets.get(id),
        definition?.hidden,
      );
      const primaryKey =
        map.primaryKey?.map((index) => columns[index]?.name ?? '') ?? definition?.primaryKey ?? [];
      // Rows are those of SELECT *, which leaves invisible columns out: no key can be made of them.
      const names = columns.filter((column) => !column.invisible).map((column) => column.name);
      const visibleKey = primaryKey.every((name) => names.includes(name)) ? primaryKey : [];
      const cascades = base.cascades.map((cascade) => withColumnsOf(names, cascade));
      const shape: TableShape = { ...base, cascades, columns: names, primaryKey: visibleKey };
      const referenced = cascades.flatMap((cascade) => cascade.columns);
      const decoders = new Map<ReadonlySet<string> | undefined, RowsDecoder>();
      const decoder = (): RowsDecoder => {
        // Nobody may see the rows of a table that nobody watches.
        const wanted = shape.parentOnly ? NO_COLUMNS : this.context.projection(shape);
        const needed = wanted && new Set([...wanted, ...referenced]);
        const known = decoders.get(wanted) ?? new RowsDecoder(columns, this.context.values, needed);
        decoders.set(wanted, known);
        return known;
      };
      const witness = definition?.engine === 'InnoDB' ? WitnessTable.of(shape, columns) : undefined;
      return { shape, witness, decoder };
    } catch (failure) {
      const decoder = (): never => {
        throw failure;
      };
      return { shape: { ...base, columns: [], primaryKey: [] }, witness: undefined, decoder };
    }
  }

  private async reloadCascades(): Promise<void> {
    await this.context.cascades?.load();
    this.cascadesOutdated = false;
    // What is known of tables is looked up again when they come by; until then it is kept for `forget`.
    for (const [tableId, entry] of this.entries) {
      this.entries.set(tableId, { ...entry, bytes: Buffer.alloc(0) });
    }
  }

  private remember(tableId: number, entry: Entry): void {
    this.entries.delete(tableId);
    if (this.entries.size >= MAX_ENTRIES) {
      const oldest = this.entries.keys().next();
      if (!oldest.done) this.entries.delete(oldest.value);
    }
    this.entries.set(tableId, entry);
  }
}

/** Sequences are no tables, whatever pattern they match. One that is gone by now is told by its columns. */
function isSequence(map: TableMap, definition: TableDefinition | undefined): boolean {
  if (definition) return definition.isSequence;
  return map.columns.map((column) => column.name).join() === SEQUENCE_COLUMNS;
}

/** The referenced columns by their names in the table; none where one of them is not there (it was renamed). */
function withColumnsOf(names: readonly string[], cascade: Cascade): Cascade {
  const columns = cascade.columns.map((column) => names.find((name) => isSameButForCase(name, column)));
  const known = columns.filter((column) => column !== undefined);
  return { ...cascade, columns: known.length === columns.length ? known : [] };
}
