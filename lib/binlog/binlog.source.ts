import type { CacheflowError } from '../errors/cacheflow.error';
import { ColumnsUncertainError, EventUnsupportedError, RowUndecodableError } from '../errors/change.errors';
import { messageOf } from '../errors/cacheflow.error';
import type { RowChange, TableFlush, TableShape, TransactionPiece } from '../pipeline/stream';
import type { ControlConnection } from './control-connection';
import type { ChangedTable } from './ddl';
import { effectOf, mayChangeForeignKeys } from './ddl';
import { isRowsEvent } from './decode/rows-decoder';
import type { EventHeader } from './event-header';
import {
  EventType,
  GtidReader,
  readHeader,
  readMariadbGtid,
  readQuery,
  readChecksumFlag,
  readRotate,
} from './event-header';
import { formatPosition } from './position';
import type { TableCatalog } from './table-catalog';
import type { BinlogPosition } from './position';
import { TransactionAssembler } from './transaction-assembler';
import type { Watchlist } from './watchlist';
import type { BinlogEvent, ReplicationSession, SessionOptions } from './zongji';
import { openReplicationSession } from './zongji';

/** Who reads the stream. */
export interface StreamSink {
  /** A transaction or a piece of one, in commit order. */
  piece(piece: TransactionPiece): void;
  /** Something in the stream could not be understood; a flush that makes up for it is in the stream. */
  fault(error: CacheflowError): void;
  /** Something happened that somebody may want to find in the log. */
  note(message: string): void;
  /** The stream broke; nothing comes after it. */
  broken(error: Error): void;
}

const STATEMENT_UNKNOWN = 'A statement was logged that may have changed any table';
const STATEMENT_LOGGED =
  'A statement was logged instead of its rows: set binlog_format = ROW in every session';
/** Statements after which the columns of a table may have other names than before. */
const CHANGES_COLUMNS = /^(?:ALTER|RENAME|DROP|CREATE)/;
/** More flushes than this become one for each database, or one for all. */
const MAX_FLUSHES = 16;

/** A statement, and the default database of the session that ran it. */
type LoggedStatement = { readonly schema: string; readonly statement: string };

/** Why the socket is not read: the queue is full, a table has to be looked up, `pause()` was called. */
type HoldReason = 'queue' | 'metadata' | 'user';

/** One replication connection: turns its packets into transactions. A broken one is replaced, never mended. */
export class BinlogSource {
  private session: ReplicationSession | undefined;
  private readonly transaction: TransactionAssembler;
  private file: string;
  /** The end of the latest event whose position is known. */
  private offset: number;
  /** When the source began the file, in milliseconds since 1970. */
  private fileCreatedAt: number | undefined;
  /** Reasons to hold the socket; it flows only without any. */
  private readonly holds = new Set<HoldReason>();
  private readonly gtids = new GtidReader();
  private insideXa = false;
  /** Whether the events of this file end with a checksum. */
  private checksum = true;
  /** Of the event in hand. */
  private header!: EventHeader;
  private closed = false;
  private readonly closing = new AbortController();
  private lastEventAt = Date.now();
  /** Row events for the status: how many rows were decoded. */
  rowsRead = 0;

  constructor(
    private readonly control: ControlConnection,
    private readonly catalog: TableCatalog,
    private readonly watchlist: Watchlist,
    private readonly sink: StreamSink,
    start: { file: string; offset: number },
    /** Whether a transaction with this GTID needs a row that shows when it can be read. */
    private readonly needsWitness: (gtid: string | undefined) => boolean = () => false,
  ) {
    this.file = start.file;
    this.offset = start.offset;
    this.transaction = new TransactionAssembler(
      (piece) => sink.piece(piece),
      () => this.readUpTo,
    );
  }

  /** Connects and begins to stream. Rejects when the source refuses. */
  async open(options: Omit<SessionOptions, 'control' | 'signal'>): Promise<void> {
    const session = await openReplicationSession(
      { ...options, control: this.control.raw, signal: this.closing.signal },
      {
        onEvent: (buffer, start, end) => this.onEvent(buffer, start, end),
        onParsed: (event) => this.onParsed(event),
        onError: (error) => this.fail(error),
      },
    );
    this.session = session;
    if (this.holds.size > 0) session.pause();
  }

  /** Milliseconds since the source was last heard of; 0 while we do not listen. */
  get silentMillis(): number {
    return this.holds.size > 0 ? 0 : Date.now() - this.lastEventAt;
  }

  /** The end of the latest event that was read. */
  get readUpTo(): { file: string; offset: number } {
    return { file: this.file, offset: this.offset };
  }

  /** Stops reading for a reason. */
  hold(reason: HoldReason): void {
    if (this.holds.size === 0) this.session?.pause();
    this.holds.add(reason);
  }

  /** Takes back a reason; reading goes on when it was the last. */
  release(reason: HoldReason): void {
    if (!this.holds.delete(reason) || this.holds.size > 0 || this.closed) return;
    this.lastEventAt = Date.now();
    this.session?.resume();
  }

  close(): void {
    this.closed = true;
    this.closing.abort(new Error('The replication connection was closed'));
  }

  private fail(error: Error): void {
    if (this.closed) return;
    this.close();
    this.sink.broken(error);
  }

  /** Every event passes here; the order of the cases is that of their frequency. */
  private onEvent(buffer: Buffer, start: number, end: number): boolean {
    if (this.closed) return true;
    this.lastEventAt = Date.now();
    const header = readHeader(buffer, start, end, this.checksum);
    this.header = header;
    if (isRowsEvent(header.type)) {
      this.onRows(buffer, header);
      return true;
    }
    switch (header.type) {
      case EventType.TABLE_MAP:
        this.onTableMap(buffer, header);
        return true;
      case EventType.GTID:
        this.begin(header, this.gtids.read(buffer, header.bodyStart));
        return true;
      case EventType.ANONYMOUS_GTID:
        this.begin(header, undefined);
        return true;
      case EventType.MARIADB_GTID: {
        const { gtid, standalone, prepared } = readMariadbGtid(buffer, header);
        this.begin(header, gtid);
        this.insideXa = prepared;
        // Stands for BEGIN as well, except before a statement that is a transaction of its own.
        if (!standalone) this.transaction.makeExplicit();
        return true;
      }
      case EventType.XID:
        this.commit(header);
        return true;
      case EventType.QUERY:
        this.onQuery(header, readQuery(buffer, header));
        return true;
      case EventType.EXECUTE_LOAD_QUERY:
        // LOAD DATA by a session with binlog_format=STATEMENT.
        this.advance(header);
        this.flushAll(STATEMENT_LOGGED);
        return true;
      case EventType.XA_PREPARE:
        this.onXaPrepare(buffer, header);
        return true;
      case EventType.TRANSACTION_PAYLOAD:
        this.flushAll(
          'A compressed transaction cannot be read: SET GLOBAL binlog_transaction_compression = OFF',
        );
        this.commit(header);
        return true;
      case EventType.PARTIAL_UPDATE_ROWS:
        this.flushAll("A partial JSON update cannot be read: SET GLOBAL binlog_row_value_options = ''");
        return true;
      case EventType.INCIDENT:
        this.flushAll('The source reports that its binlog has a gap (incident event)');
        this.standalone(header);
        return true;
      case EventType.ROTATE:
        ({ file: this.file, offset: this.offset } = readRotate(buffer, start, end));
        this.fileCreatedAt = undefined;
        return true;
      case EventType.FORMAT_DESCRIPTION:
        // Each file has its own setting, which SET GLOBAL binlog_checksum changes while we are connected.
        this.checksum = readChecksumFlag(buffer, end);
        this.fileCreatedAt = header.timestamp;
        this.session?.useChecksum(this.checksum);
        this.standalone(header);
        return true;
      case EventType.GTID_TAGGED:
      case EventType.MARIADB_QUERY_COMPRESSED:
        // Rare and not simple: zongji parses these, see onParsed.
        return false;
      default:
        this.standalone(header);
        return true;
    }
  }

  /** zongji hands an event over in the same turn in which it was left to it. */
  private onParsed(event: BinlogEvent): void {
    const name = event.getEventName();
    if (name === 'gtid') {
      this.begin(this.header, event.gtid);
    } else if (name === 'query') {
      const { query, schema } = event as BinlogEvent & { query: string; schema: string };
      this.onQuery(this.header, { schema, statement: query });
    }
  }

  private begin(header: Pick<EventHeader, 'endOffset' | 'size'>, gtid: string | undefined): void {
    const start = header.endOffset > 0 ? this.fullOffset(header.endOffset) - header.size : this.offset;
    this.transaction.begin(start, gtid);
    this.insideXa = false;
    this.advance(header);
  }

  private onQuery(header: Pick<EventHeader, 'endOffset' | 'size'>, query: LoggedStatement): void {
    const { statement } = query;
    if (statement === 'BEGIN' || /^XA START\b/i.test(statement)) {
      if (!this.transaction.isOpen) this.begin(header, undefined);
      this.transaction.makeExplicit();
      this.insideXa = statement !== 'BEGIN';
      this.advance(header);
    } else if (statement === 'COMMIT' || statement === 'ROLLBACK') {
      this.commit(header);
    } else if (/^XA (COMMIT|ROLLBACK)\b/i.test(statement)) {
      // The rows stand in an earlier group of events, which was skipped when it was prepared.
      this.flushAll('An XA transaction was finished; its changes cannot be told row by row');
      this.commit(header);
    } else {
      this.onStatement(header, query);
      if (this.transaction.isExplicit) this.advance(header);
      else this.commit(header);
    }
  }

  /** A statement that was logged as such: a DDL, or one whose rows were not logged. */
  private onStatement(header: Pick<EventHeader, 'endOffset'>, { statement, schema }: LoggedStatement): void {
    const effect = effectOf(statement, schema);
    const movesKeys = mayChangeForeignKeys(statement);
    if (movesKeys) this.catalog.forgetCascades();
    if (effect.kind === 'none') return;
    const end = { file: this.file, offset: Math.max(header.endOffset, this.offset) };
    // In a transaction it was written by somebody, whose triggers may have changed other tables.
    const rowsLack = this.transaction.isExplicit && effect.kind === 'tables' && effect.statement === 'DELETE';
    if (effect.kind === 'unknown' || rowsLack) {
      this.catalog.forget(undefined, end);
      this.flushAll(this.transaction.isExplicit ? STATEMENT_LOGGED : STATEMENT_UNKNOWN);
      return;
    }
    const position = this.place();
    const redefined = CHANGES_COLUMNS.test(effect.statement);
    for (const changed of effect.tables) {
      const uncertain = this.catalog.forget(changed, end);
      if (redefined) this.reportUncertain(uncertain);
    }
    // Before a foreign key came, moved or went, the stream may have had changes that others carried on.
    const reached = effect.tables.flatMap((each) =>
      movesKeys ? this.watchlist.reachedFrom(each) : this.watchlist.watchedIn(each),
    );
    for (const table of bounded(reached)) {
      const name = table ? `${table.schema}.${table.table ?? '*'}` : 'all watched tables';
      this.sink.note(`${effect.statement} at ${formatPosition(position)}: all keys of ${name} are removed`);
      this.transaction.add({ kind: 'flush', table, position, redefined });
    }
  }

  private reportUncertain(shapes: readonly TableShape[]): void {
    for (const { schema, table } of shapes) {
      const problem =
        'Rows from before an ALTER were decoded with column names from after it, which may be wrong; all keys of the ' +
        "table are removed, but events may have had wrong columns. SET GLOBAL binlog_row_metadata = 'FULL'";
      this.sink.fault(new ColumnsUncertainError(problem, `${schema}.${table}`, this.place()));
    }
  }

  /** One byte tells XA COMMIT … ONE PHASE, which ends the transaction at once, from XA PREPARE. */
  private onXaPrepare(buffer: Buffer, header: EventHeader): void {
    const onePhase = buffer[header.bodyStart] !== 0;
    if (onePhase) this.flushAll('An XA transaction was finished; its changes cannot be told row by row');
    this.commit(header);
  }

  private onTableMap(buffer: Buffer, header: EventHeader): void {
    const map = this.catalog.see(buffer, header.bodyStart, header.bodyEnd);
    this.advance(header);
    if (!map) return;
    // The rows of the table come next. Packets that arrived already are queued by mysql2 while we hold.
    const bytes = Buffer.from(buffer.subarray(header.bodyStart, header.bodyEnd));
    this.hold('metadata');
    this.catalog.load(map, bytes).then(
      () => this.release('metadata'),
      (error: Error) => this.fail(error),
    );
  }

  private onRows(buffer: Buffer, header: EventHeader): void {
    this.advance(header);
    if (this.insideXa) return;
    const entry = this.catalog.find(buffer, header.bodyStart);
    if (entry === null) return;
    if (entry === undefined) {
      this.flushAll('A row event came without its table map');
      return;
    }
    const { shape, witness } = entry;
    if (witness && !this.transaction.hasWitness && this.needsWitness(this.transaction.gtid)) {
      // Only the first change of a row has a before image that others could read until the commit.
      this.transaction.setWitness(witness.take(header.type, buffer, header.bodyStart, header.bodyEnd));
    }
    const position = { file: this.file, offset: this.transaction.offset };
    let bytes = header.size;
    try {
      const decoder = entry.decoder();
      for (const images of decoder.decode(header.type, buffer, header.bodyStart, header.bodyEnd)) {
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
          position: { ...position, row: this.transaction.nextRow() },
          gtid: this.transaction.gtid,
          timestamp: header.timestamp,
        };
        this.transaction.add(change);
      }
      bytes = Math.max(bytes, decoder.lastBytes);
    } catch (cause) {
      const name = `${shape.schema}.${shape.table}`;
      const error = new RowUndecodableError(
        `A row event cannot be decoded: ${messageOf(cause)}; all keys of the table are removed`,
        name,
        position,
        { cause },
      );
      for (const table of this.watchlist.reachedFrom(shape)) {
        this.transaction.add({ kind: 'flush', table, position });
      }
      this.sink.fault(error);
    }
    this.transaction.addBytes(bytes);
  }

  /** Changes that cannot be read may belong to any table. */
  private flushAll(problem: string): void {
    const position = this.place();
    const error = new EventUnsupportedError(
      `${problem}; all keys of all watched tables are removed`,
      undefined,
      position,
    );
    this.transaction.add({ kind: 'flush', table: undefined, position });
    this.sink.fault(error);
  }

  /** Where the transaction in hand starts. */
  private place(): { file: string; offset: number } {
    return { file: this.file, offset: this.transaction.isOpen ? this.transaction.offset : this.offset };
  }

  private commit(header: Pick<EventHeader, 'endOffset'>): void {
    this.advance(header);
    this.insideXa = false;
    this.transaction.end(this.reached);
  }

  /** An event that belongs to no transaction moves the position only. */
  private standalone(header: EventHeader): void {
    const before = this.offset;
    this.advance(header);
    if (!this.transaction.isOpen && this.offset !== before) {
      this.transaction.end(this.reached);
    }
  }

  private advance(header: Pick<EventHeader, 'endOffset'>): void {
    if (header.endOffset > 0) this.offset = Math.max(this.offset, this.fullOffset(header.endOffset));
  }

  /** Headers have the lower 32 bits of an offset only; a transaction of more than 4 GiB makes a file longer. */
  private fullOffset(lowBits: number): number {
    const WRAP = 2 ** 32;
    const offset = this.offset - (this.offset % WRAP) + lowBits;
    return offset < this.offset - WRAP / 2 ? offset + WRAP : offset;
  }

  private get reached(): BinlogPosition {
    const { file, offset, fileCreatedAt } = this;
    return fileCreatedAt === undefined ? { file, offset } : { file, offset, fileCreatedAt };
  }
}

/** No more flushes than Redis can be asked for at once. */
function bounded(tables: readonly ChangedTable[]): readonly TableFlush['table'][] {
  if (tables.length <= MAX_FLUSHES) return tables;
  const schemas = [...new Set(tables.map(({ schema }) => schema))];
  return schemas.length > MAX_FLUSHES ? [undefined] : schemas.map((schema) => ({ schema, table: undefined }));
}
