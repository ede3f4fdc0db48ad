import type { BinlogPlace } from '../../change/position';
import {
  ColumnsUncertainError,
  EventUnsupportedError,
  RowUndecodableError,
} from '../../errors/change.errors';
import { messageOf } from '../../errors/cacheflow.error';
import type { StreamItem, TableShape } from '../../change/stream';
import type { TableName, TableScope } from '../../change/table-name';
import { nameOf } from '../../change/table-name';
import { formatPosition } from '../../change/position';
import type { StreamSink } from '../stream-sink';
import type { TransactionAssembler } from './transaction-assembler';
import type { Watchlist } from '../tables/watchlist';

/** More flushes than this become one for each database, or one for all. */
const MAX_FLUSHES = 16;

/** Puts flushes into the transaction in hand where rows cannot be told, and says why. */
export class StreamFlushes {
  private unknown = { place: '', tables: new Set<string>() };

  constructor(
    private readonly transaction: TransactionAssembler,
    private readonly watchlist: Watchlist,
    private readonly sink: StreamSink,
    /** Where the transaction in hand starts. */
    private readonly place: () => BinlogPlace,
  ) {}

  /** Changes that cannot be read may belong to any table. */
  all(problem: string): void {
    const position = this.place();
    this.transaction.add({ kind: 'flush', table: undefined, position });
    this.sink.fault(
      new EventUnsupportedError(
        `${problem}; all keys of all watched tables are removed`,
        undefined,
        position,
      ),
    );
  }

  /** Changes that cannot be read belong to these tables. */
  tables(tables: readonly TableName[], problem: string): void {
    const position = this.place();
    for (const table of this.reach(tables)) this.transaction.add({ kind: 'flush', table, position });
    const names = tables.map(nameOf);
    this.sink.fault(
      new EventUnsupportedError(
        `${problem}; all keys of ${names.join(', ')} are removed`,
        names.length === 1 ? names[0] : undefined,
        position,
      ),
    );
  }

  /** A statement changed what is known of these tables. */
  redefine(
    effect: { readonly statement: string; readonly tables: readonly TableScope[] },
    reach: Reach,
  ): void {
    const position = this.place();
    const reached = effect.tables.flatMap((each) =>
      reach === 'foreign keys' ? this.watchlist.reachedFrom(each) : this.watchlist.watchedIn(each),
    );
    const redefined = changesColumns(effect.statement);
    for (const table of bounded(reached)) {
      const name = table ? `${table.schema}.${table.table ?? '*'}` : 'all watched tables';
      this.sink.note(`${effect.statement} at ${formatPosition(position)}: all keys of ${name} are removed`);
      this.transaction.add({ kind: 'flush', table, position, redefined });
    }
  }

  undecodable(shape: TableShape, cause: unknown): void {
    const position = this.place();
    const error = new RowUndecodableError(
      `A row event cannot be decoded: ${messageOf(cause)}; all keys of the table are removed`,
      nameOf(shape),
      position,
      { cause },
    );
    for (const table of this.reach([shape])) this.transaction.add({ kind: 'flush', table, position });
    this.sink.fault(error);
  }

  uncertain(shapes: readonly TableShape[]): void {
    for (const shape of shapes) {
      const problem =
        'Rows from before an ALTER were decoded with column names from after it, which may be wrong; all keys of the ' +
        "table are removed, but events may have had wrong columns. SET GLOBAL binlog_row_metadata = 'FULL'";
      this.sink.fault(new ColumnsUncertainError(problem, nameOf(shape), this.place()));
    }
  }

  /**
   * What stays of a change that was rolled back: nothing, or all of it where the table's engine takes nothing back.
   * Where the engine is not known, the keys go, and nobody is told of a change that may never have been.
   */
  remainsOf(item: StreamItem): StreamItem | undefined {
    if (item.kind === 'flush') return item;
    const { schema, table, transactional } = item.table;
    if (transactional !== undefined) return transactional ? undefined : item;
    this.unknownEngine(item.table);
    return { kind: 'flush', table: { schema, table }, position: this.place() };
  }

  /** Rows were rolled back of a table whose engine is not known. It is told once for each transaction. */
  unknownEngine(table: TableName): void {
    const place = formatPosition(this.place());
    if (this.unknown.place !== place) this.unknown = { place, tables: new Set() };
    const name = nameOf(table);
    if (this.unknown.tables.has(name)) return;
    this.unknown.tables.add(name);
    const problem =
      'Rows were rolled back of a table that is gone by now, so that nobody can tell whether its engine took them back';
    this.sink.fault(
      new EventUnsupportedError(`${problem}; all keys of the table are removed`, name, this.place()),
    );
  }

  private reach(tables: readonly TableName[]): readonly (TableScope | undefined)[] {
    return bounded(tables.flatMap((table) => this.watchlist.reachedFrom(table)));
  }
}

/** How far a statement reaches beyond the tables that it names. */
export type Reach = 'foreign keys' | 'nowhere';

/** Whether a statement is one after which the columns of a table may have other names than before. */
export function changesColumns(statement: string): boolean {
  return /^(?:ALTER|RENAME|DROP|CREATE)/.test(statement);
}

/** No more flushes than Redis can be asked for at once. */
function bounded(tables: readonly TableScope[]): readonly (TableScope | undefined)[] {
  if (tables.length <= MAX_FLUSHES) return tables;
  const schemas = [...new Set(tables.map(({ schema }) => schema))];
  return schemas.length > MAX_FLUSHES ? [undefined] : schemas.map((schema) => ({ schema, table: undefined }));
}
