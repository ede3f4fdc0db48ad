import type { BinlogPlace } from '../../change/position';
import type { RowChange } from '../../change/stream';
import { mayChangeForeignKeys } from '../statements/ddl';
import type { EventHeader } from '../../decode/event-header';
import { EventType } from '../../decode/event-header';
import { Cursor } from '../../decode/cursor';
import type { KeptRows } from './prepared-transactions';
import type { LoggedStatement } from '../statements/query-event';
import type { ReadStatement, StatementReader } from '../statements/statement-reader';
import type { StreamFlushes } from './stream-flushes';
import { changesColumns } from './stream-flushes';
import type { CatalogEntry, TableCatalog } from '../tables/table-catalog';
import type { TransactionAssembler } from './transaction-assembler';

const STATEMENT_UNKNOWN = 'A statement was logged that may have changed any table';
const STATEMENT_LOGGED =
  'A statement was logged instead of its rows: set binlog_format = ROW in every session';

const UNREADABLE: Readonly<Record<number, string>> = {
  // LOAD DATA by a session with binlog_format=STATEMENT.
  [EventType.EXECUTE_LOAD_QUERY]: STATEMENT_LOGGED,
  [EventType.PARTIAL_UPDATE_ROWS]:
    "A partial JSON update cannot be read: SET GLOBAL binlog_row_value_options = ''",
};

/** Of a row event's header, what its rows need. */
export type RowEventHead = Pick<EventHeader, 'type' | 'timestamp' | 'bodyStart' | 'bodyEnd'>;

/** What an event group's content is read with, and where it goes. */
export interface EventGroupParts {
  readonly transaction: TransactionAssembler;
  readonly catalog: TableCatalog;
  readonly flushes: StreamFlushes;
  readonly statements: StatementReader;
  /** Whether a transaction with this GTID needs a row that shows when it can be read. */
  needsWitness(gtid: string | undefined): boolean;
  /** Where the transaction in hand starts. */
  place(): BinlogPlace;
}

/** Turns what an event group is made of (tables, rows, statements) into changes of the transaction in hand. */
export class EventGroupContent {
  /** Row changes that were decoded. */
  rowsRead = 0;

  constructor(private readonly parts: EventGroupParts) {}

  /** A promise where the table has to be looked up first; it rejects when the source does not answer. */
  tableMap(buffer: Buffer, { bodyStart, bodyEnd }: EventHeader): Promise<void> | undefined {
    const { catalog } = this.parts;
    const map = catalog.see(buffer, bodyStart, bodyEnd);
    return map && catalog.load(map, Buffer.from(buffer.subarray(bodyStart, bodyEnd)));
  }

  /** The table of a row event, if it matters and its rows came true as far as is known; undefined else. */
  tableOf(buffer: Buffer, head: RowEventHead): CatalogEntry | undefined {
    const { transaction, catalog, flushes } = this.parts;
    const cameTrue = transaction.startRowEvent();
    const entry = catalog.find(buffer, head.bodyStart);
    if (entry === null) return undefined;
    if (entry === undefined) {
      flushes.all('A row event came without its table map');
      return undefined;
    }
    const { schema, table, transactional } = entry.shape;
    if (cameTrue || transactional === false) return entry;
    if (transactional === undefined) {
      flushes.unknownEngine(entry.shape);
      transaction.add({ kind: 'flush', table: { schema, table }, position: this.parts.place() });
    }
    return undefined;
  }

  /** Decodes the rows of one event. */
  rows(entry: CatalogEntry, buffer: Buffer, head: RowEventHead): void {
    const { transaction, flushes } = this.parts;
    const { shape, witness } = entry;
    const { type, bodyStart, bodyEnd } = head;
    if (witness && !transaction.hasWitness && this.parts.needsWitness(transaction.gtid)) {
      // Only the first change of a row has a before image that others could read until the commit.
      transaction.setWitness(witness.take(type, buffer, bodyStart, bodyEnd));
    }
    const { file, offset } = this.parts.place();
    let bytes = bodyEnd - bodyStart;
    try {
      const decoder = entry.decoder();
      for (const images of decoder.decode(type, new Cursor(buffer, bodyStart, bodyEnd))) {
        if (!shape.parentOnly) this.rowsRead++;
        const change: RowChange = {
          kind: 'row',
          action: images.before === null ? 'insert' : images.after === null ? 'delete' : 'update',
          table: shape,
          projected: decoder.isProjected,
          before: images.before,
          after: images.after,
          beforeComplete: images.beforeComplete,
          afterComplete: images.afterComplete,
          position: { file, offset, row: transaction.nextRow() },
          gtid: transaction.gtid,
          timestamp: head.timestamp,
        };
        transaction.add(change);
      }
      bytes = Math.max(bytes, decoder.lastBytes);
    } catch (cause) {
      flushes.undecodable(shape, cause);
    }
    transaction.addBytes(bytes);
  }

  /** Decodes row events that waited for the end of their transaction. */
  keptRows(kept: readonly KeptRows[]): void {
    for (const { entry, type, timestamp, bytes } of kept) {
      this.parts.transaction.startRowEvent();
      this.rows(entry, bytes, { type, timestamp, bodyStart: 0, bodyEnd: bytes.length });
    }
  }

  /** An event that holds changes in a form that cannot be read. False for any other event. */
  unreadable(type: number): boolean {
    const problem = UNREADABLE[type];
    if (problem !== undefined) this.parts.flushes.all(problem);
    return problem !== undefined;
  }

  /**
   * A statement that was logged as such: a DDL, or one whose rows were not logged.
   *
   * @param end where it ends in the binlog
   * @returns a promise where the source has to be asked what it means; it rejects when that does not answer
   */
  statement(logged: LoggedStatement, end: BinlogPlace): Promise<void> | undefined {
    const read = this.parts.statements.read(logged);
    if (read instanceof Promise) return read.then((known) => this.apply(known, end));
    this.apply(read, end);
    return undefined;
  }

  private apply({ effect, text }: ReadStatement, end: BinlogPlace): void {
    const { transaction, catalog, flushes } = this.parts;
    const movesKeys = mayChangeForeignKeys(text);
    if (movesKeys) catalog.forgetCascades();
    if (effect.kind === 'none') return;
    // In a transaction it was written by somebody, whose triggers may have changed other tables.
    const rowsLack = transaction.isExplicit && effect.kind === 'tables' && effect.statement === 'DELETE';
    if (effect.kind === 'unknown' || rowsLack) {
      catalog.forget(undefined, end);
      flushes.all(transaction.isExplicit ? STATEMENT_LOGGED : STATEMENT_UNKNOWN);
      return;
    }
    for (const changed of effect.tables) {
      const uncertain = catalog.forget(changed, end);
      if (changesColumns(effect.statement)) flushes.uncertain(uncertain);
    }
    // Before a foreign key came, moved or went, the stream may have had changes that others carried on.
    flushes.redefine(effect, movesKeys ? 'foreign keys' : 'nowhere');
  }
}
