import type { TableShape } from '../pipeline/stream';
import type { ControlConnection } from './control-connection';
import { resolveColumns } from './decode/column';
import type { ValueOptions } from './decode/rows-decoder';
import { RowsDecoder } from './decode/rows-decoder';
import type { TableMap } from './decode/table-map';
import { parseTableMap, readTableId } from './decode/table-map';
import { WitnessTable } from './witness-table';
import { loadCharsets, loadTableDefinition } from './table-definition';

/** A watched table as its latest table map describes it. */
export interface CatalogEntry {
  readonly shape: TableShape;
  /** Undefined where the table's rows cannot show whether their transaction can be read. */
  readonly witness: WitnessTable | undefined;
  /** Throws what made the table's rows undecodable. */
  decoder(): RowsDecoder;
}

/** What a table id of the stream stands for: a watched table, or null for one that nobody watches. */
type Resolved = CatalogEntry | null;

/** Which columns of a table are worth decoding now; undefined stands for all. The same set comes as the same object. */
export type Projection = (table: TableShape) => ReadonlySet<string> | undefined;

/** Table ids are never reused while a server runs, so that old ones have to be dropped at some time. */
const MAX_ENTRIES = 5_000;
/** MariaDB ends some statements with a row event of no table, which only carries the end-of-statement flag. */
const NO_TABLE = 0xffffff;

/**
 * Knows the tables behind the table ids of one stream. Each transaction repeats its tables' maps; they are
 * compared by their bytes, so that only new ones are parsed.
 */
export class TableCatalog {
  private readonly entries = new Map<number, { bytes: Buffer; resolved: Resolved }>();
  private charsets: ReadonlyMap<number, string> = new Map();

  constructor(
    private readonly control: ControlConnection,
    private readonly flavor: 'mysql' | 'mariadb',
    private readonly isWatched: (schema: string, table: string) => boolean,
    private readonly values: ValueOptions,
    private readonly projection: Projection,
  ) {}

  /** Asks beforehand what every table needs, so that the first change is not held up by it. */
  async warmUp(): Promise<void> {
    this.charsets = await loadCharsets(this.control);
  }

  /** Takes note of a table map. Returns it when its table has to be loaded first. */
  see(buffer: Buffer, start: number, end: number): TableMap | undefined {
    const tableId = readTableId(buffer, start);
    const known = this.entries.get(tableId);
    if (known && known.bytes.compare(buffer, start, end) === 0) {
      // The map of entries is kept in the order of their use, so that those in use are not dropped.
      this.entries.delete(tableId);
      this.entries.set(tableId, known);
      return undefined;
    }
    const map = parseTableMap(buffer, start, end);
    if (this.isWatched(map.schema, map.table)) return map;
    this.remember(tableId, Buffer.from(buffer.subarray(start, end)), null);
    return undefined;
  }

  /** Resolves a watched table with the help of the source. Rejects when the source does not answer. */
  async load(map: TableMap, bytes: Buffer): Promise<void> {
    const definition = await loadTableDefinition(this.control, this.flavor, map.schema, map.table);
    this.remember(map.tableId, bytes, this.resolve(map, definition));
  }

  /** The table of a rows event; null when nobody watches it, undefined when its map was never seen. */
  find(buffer: Buffer, bodyStart: number): Resolved | undefined {
    const tableId = readTableId(buffer, bodyStart);
    return tableId === NO_TABLE ? null : this.entries.get(tableId)?.resolved;
  }

  private resolve(map: TableMap, definition: Awaited<ReturnType<typeof loadTableDefinition>>): CatalogEntry {
    const base = { schema: map.schema, table: map.table };
    try {
      const columns = resolveColumns(map, definition && [...definition.columns], (id) =>
        this.charsets.get(id),
      );
      const primaryKey =
        map.primaryKey?.map((index) => columns[index]?.name ?? '') ?? definition?.primaryKey ?? [];
      // Rows are those of SELECT *, which leaves invisible columns out: no key can be made of them.
      const names = columns.filter((column) => !column.invisible).map((column) => column.name);
      const visibleKey = primaryKey.every((name) => names.includes(name)) ? primaryKey : [];
      const shape: TableShape = { ...base, columns: names, primaryKey: visibleKey };
      const decoders = new Map<ReadonlySet<string> | undefined, RowsDecoder>();
      const decoder = (): RowsDecoder => {
        const wanted = this.projection(shape);
        const known = decoders.get(wanted) ?? new RowsDecoder(columns, this.values, wanted);
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

  private remember(tableId: number, bytes: Buffer, resolved: Resolved): void {
    this.entries.delete(tableId);
    if (this.entries.size >= MAX_ENTRIES) {
      const oldest = this.entries.keys().next();
      if (!oldest.done) this.entries.delete(oldest.value);
    }
    this.entries.set(tableId, { bytes, resolved });
  }
}
