import { Gate } from '../support/gate';
import type { ControlConnection, ServerInfo } from '../mysql/control-connection';
import { isRowsEvent } from '../decode/rows-decoder';
import type { EventHeader } from '../decode/event-header';
import {
  EventType,
  GtidReader,
  readChecksumFlag,
  readHeader,
  readMariadbGtid,
  readRotate,
} from '../decode/event-header';
import { EventGroupContent } from './event-groups/event-group-content';
import type { EventGroupFate } from './event-groups/event-group-fate';
import { ASSUMED_COMMITTED } from './event-groups/event-group-fate';
import { readEventGroupStatement } from './statements/event-group-statement';
import type { GtidTracker } from '../change/gtid-tracker';
import type { BinlogPlace, BinlogPosition, PreparedTransaction } from '../change/position';
import { MAX_DUMP_OFFSET, comparePositions, formatPosition } from '../change/position';
import type { Prepared } from './event-groups/prepared-transactions';
import { PreparedTransactions, XaRows } from './event-groups/prepared-transactions';
import type { LoggedStatement } from './statements/query-event';
import { isBegin, readQuery } from './statements/query-event';
import { EventGroupUnreadableError, lookAhead, readEventGroup } from './event-groups/read-event-group';
import { OtherServerError } from '../mysql/source-faults';
import { StatementReader } from './statements/statement-reader';
import { StreamFlushes } from './event-groups/stream-flushes';
import type { StreamSink } from './stream-sink';
import type { TableCatalog } from './tables/table-catalog';
import { TransactionAssembler } from './event-groups/transaction-assembler';
import type { Watchlist } from './tables/watchlist';
import { readXaPrepare } from './statements/xid';
import type { ReplicationOptions, ReplicationSession } from '../mysql/zongji';
import { openReplicationSession } from '../mysql/zongji';

/** What a source reads with, and from where. */
export interface SourceParts {
  readonly control: ControlConnection;
  readonly server: ServerInfo;
  readonly catalog: TableCatalog;
  readonly watchlist: Watchlist;
  readonly sink: StreamSink;
  readonly start: BinlogPlace;
  /** Whether it is asked for by file and offset, which mean something else on another server. */
  readonly isByFile: boolean;
  /** The XA transactions that are prepared there. */
  readonly prepared: readonly PreparedTransaction[];
  /** Whether a transaction with this GTID needs a row that shows when it can be read. */
  needsWitness(gtid: string | undefined): boolean;
}

/**
 * Why the socket is not read: the queue is full, the source has to be asked for a table or a statement, an event
 * group is read ahead or again, `pause()` was called.
 */
type HoldReason = 'queue' | 'question' | 'event-group' | 'user';

/** What tells where an event ends. */
type EventEnd = Pick<EventHeader, 'endOffset' | 'size'>;

const XA_LOST = 'An XA transaction was committed whose rows can no longer be read';

/** One replication connection: turns its packets into transactions. A broken one is replaced, never mended. */
export class BinlogSource {
  private session: ReplicationSession | undefined;
  private readonly transaction: TransactionAssembler;
  private readonly flushes: StreamFlushes;
  private readonly content: EventGroupContent;
  private readonly prepared: PreparedTransactions;
  private file: string;
  /** The end of the latest event whose position is known. */
  private offset: number;
  /** When the source began the file, in milliseconds since 1970. */
  private fileCreatedAt: number | undefined;
  /** Reasons to hold the socket; it flows only without any. */
  private readonly holds = new Set<HoldReason>();
  /** Closed while the queue is full, or the tail is paused: what is read again waits as well. */
  private readonly room = new Gate();
  private readonly gtids = new GtidReader();
  /** Of the XA transaction in hand, whose rows only count once it is committed. */
  private xa: XaRows | undefined;
  /** The transaction in hand is handed on although nobody could look how it ends. */
  private isBlind = false;
  /** Whether the events of this file end with a checksum. */
  private checksum = true;
  /** Of the event in hand. */
  private header!: EventHeader;
  private closed = false;
  private isIdentified = false;
  private awaited: { readonly place: BinlogPlace; readonly gtids: GtidTracker } | undefined;
  private readonly closing = new AbortController();
  private lastEventAt = Date.now();

  constructor(private readonly parts: SourceParts) {
    const { control, server, catalog, watchlist, sink, start } = parts;
    this.file = start.file;
    this.offset = start.offset;
    this.prepared = new PreparedTransactions(parts.prepared);
    const place = (): BinlogPlace => this.place();
    this.transaction = new TransactionAssembler(
      (piece) => sink.piece(piece),
      () => this.readUpTo,
      (item) => this.flushes.remainsOf(item),
    );
    this.flushes = new StreamFlushes(this.transaction, watchlist, sink, place);
    this.content = new EventGroupContent({
      transaction: this.transaction,
      catalog,
      flushes: this.flushes,
      statements: new StatementReader(control, server.flavor, (id) => catalog.charsetOf(id)),
      needsWitness: parts.needsWitness,
      place,
    });
  }

  /** Connects and begins to stream. Rejects when the source refuses. */
  async open(options: Omit<ReplicationOptions, 'control' | 'signal'>): Promise<void> {
    const session = await openReplicationSession(
      { ...options, control: this.parts.control.raw, signal: this.closing.signal },
      {
        onEvent: (buffer, start, end) => this.onEvent(buffer, start, end),
        onGtid: (gtid) => this.begin(this.header, gtid),
        onError: (error) => this.fail(error),
      },
    );
    this.session = session;
    if (this.holds.size > 0) session.pause();
  }

  /** Row changes that were decoded. */
  get rowsRead(): number {
    return this.content.rowsRead;
  }

  /** Milliseconds since the source was last heard of; 0 while we do not listen. */
  get silentMillis(): number {
    return this.holds.size > 0 ? 0 : Date.now() - this.lastEventAt;
  }

  /** The end of the latest event that was read. */
  get readUpTo(): BinlogPlace {
    return { file: this.file, offset: this.offset };
  }

  /** Stops reading for a reason. */
  hold(reason: HoldReason): void {
    if (reason === 'queue' || reason === 'user') this.room.close();
    if (this.holds.size === 0) this.session?.pause();
    this.holds.add(reason);
  }

  /** Takes back a reason; reading goes on when it was the last. */
  release(reason: HoldReason): void {
    const wasHeld = this.holds.delete(reason);
    if (!this.holds.has('queue') && !this.holds.has('user')) this.room.open();
    if (!wasHeld || this.holds.size > 0 || this.closed) return;
    this.lastEventAt = Date.now();
    this.session?.resume();
  }

  /** For a stream that does not know its GTIDs: all that stand before a place, where it may not have come to yet. */
  expectGtids(place: BinlogPlace, gtids: GtidTracker): void {
    this.awaited = { place, gtids };
    if (!this.transaction.isOpen && comparePositions(this.readUpTo, place) === 0) this.finish();
  }

  close(): void {
    this.closed = true;
    this.closing.abort(new Error('The replication connection was closed'));
  }

  private fail(error: Error): void {
    if (this.closed) return;
    this.close();
    this.parts.sink.broken(error);
  }

  /** Reads nothing more until the promise is resolved. Packets that arrived already are queued by mysql2 meanwhile. */
  private holdFor(reason: HoldReason, work: Promise<void> | undefined, then?: () => void): void {
    if (!work) return then?.();
    this.hold(reason);
    work
      .then(() => {
        if (this.closed) return;
        then?.();
        this.release(reason);
      })
      .catch((error: Error) => this.fail(error));
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
        this.advance(header);
        this.holdFor('question', this.content.tableMap(buffer, header));
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
        if (prepared) this.xa = new XaRows();
        // Stands for BEGIN as well, except before a statement that is a transaction of its own.
        if (!standalone) this.transaction.makeExplicit();
        return true;
      }
      case EventType.XID:
        this.commit(header);
        return true;
      case EventType.QUERY:
        if (isBegin(buffer, header)) this.onBegin(header);
        else this.onQuery(header, readQuery(buffer, header));
        return true;
      case EventType.MARIADB_QUERY_COMPRESSED:
        this.onQuery(header, readQuery(buffer, header, true));
        return true;
      case EventType.EXECUTE_LOAD_QUERY:
      case EventType.PARTIAL_UPDATE_ROWS:
        this.advance(header);
        if (this.xa) this.xa.keepAny();
        else this.content.unreadable(header.type);
        return true;
      case EventType.XA_PREPARE:
        this.onXaPrepare(buffer, header);
        return true;
      case EventType.TRANSACTION_PAYLOAD:
        this.flushes.all(
          'A compressed transaction cannot be read: SET GLOBAL binlog_transaction_compression = OFF',
        );
        this.commit(header);
        return true;
      case EventType.INCIDENT:
        this.flushes.all('The source reports that its binlog has a gap (incident event)');
        this.commit(header);
        return true;
      case EventType.ROTATE:
        this.identify(header);
        this.dropUnfinished();
        ({ file: this.file, offset: this.offset } = readRotate(buffer, start, end));
        this.fileCreatedAt = undefined;
        return true;
      case EventType.FORMAT_DESCRIPTION:
        this.dropUnfinished();
        // Each file has its own setting, which SET GLOBAL binlog_checksum changes while we are connected.
        this.checksum = readChecksumFlag(buffer, end);
        this.fileCreatedAt = header.timestamp;
        this.session?.useChecksum(this.checksum);
        this.standalone(header);
        return true;
      case EventType.GTID_TAGGED:
        // Rare and not simple: zongji parses it, and calls onGtid in the same turn.
        return false;
      default:
        this.standalone(header);
        return true;
    }
  }

  private begin(header: EventEnd, gtid: string | undefined): void {
    this.dropUnfinished();
    const start = header.endOffset > 0 ? this.fullOffset(header.endOffset) - header.size : this.offset;
    this.transaction.begin(start, gtid);
    this.isBlind = false;
    this.advance(header);
  }

  /** The first event is made up by the server itself: connections that are made apart may lead to two servers. */
  private identify({ serverId }: EventHeader): void {
    const { isByFile, server } = this.parts;
    if (isByFile && !this.isIdentified && serverId !== server.serverId) throw new OtherServerError();
    this.isIdentified = true;
  }

  /** A server that is killed while it writes an event group leaves the beginning of it, which never happened. */
  private dropUnfinished(): void {
    if (!this.transaction.isOpen) return;
    this.parts.sink.note(
      `The transaction at ${formatPosition(this.place())} never ended, because the source was stopped while it wrote it: ` +
        'its changes are dropped',
    );
    this.transaction.drop();
    this.xa = undefined;
  }

  private onBegin(header: EventEnd): void {
    if (!this.transaction.isOpen) this.begin(header, undefined);
    this.transaction.makeExplicit();
    this.advance(header);
  }

  private onQuery(header: EventHeader, query: LoggedStatement): void {
    const statement = readEventGroupStatement(query.text);
    if (!statement) return this.onStatement(header, query);
    switch (statement.kind) {
      case 'begin':
        return this.onBegin(header);
      case 'xa-start':
        this.onBegin(header);
        this.xa = new XaRows();
        return;
      case 'commit':
        return this.commit(header);
      case 'rollback':
        this.advance(header);
        this.transaction.rollBack();
        if (this.isBlind)
          this.flushes.all('A transaction was rolled back whose changes were given out before');
        return this.commit(header);
      case 'savepoint':
        this.advance(header);
        return (this.xa ?? this.transaction).savepoint(statement.name);
      case 'rollback-to':
        this.advance(header);
        return this.rollbackTo(statement.name);
      case 'xa-end':
        return this.advance(header);
      case 'xa-commit':
        return this.finishXa(header, this.prepared.take(statement.xid));
      case 'xa-rollback':
        this.prepared.take(statement.xid);
        return this.commit(header);
    }
  }

  private onStatement(header: EventHeader, query: LoggedStatement): void {
    const { transaction } = this;
    const end = { file: this.file, offset: Math.max(header.endOffset, this.offset) };
    if (this.xa) {
      this.advance(header);
      return this.xa.keepAny();
    }
    this.holdFor('question', this.content.statement(query, end), () => {
      if (transaction.isExplicit) this.advance(header);
      else this.commit(header);
    });
  }

  private rollbackTo(name: string): void {
    if (this.xa) return this.xa.rollbackTo(name);
    if (this.transaction.rollbackTo(name) && !this.isBlind) return;
    this.flushes.all('Changes were rolled back to a savepoint, and it cannot be told which');
  }

  private onRows(buffer: Buffer, header: EventHeader): void {
    this.advance(header);
    const entry = this.content.tableOf(buffer, header);
    if (!entry) return;
    if (this.xa) {
      return this.xa.keep(entry, header, buffer.subarray(header.bodyStart, header.bodyEnd));
    }
    this.content.rows(entry, buffer, header);
    if (this.transaction.isTooLarge) this.lookAhead();
  }

  /** The transaction is too large to wait for its end: how it ends is looked up before more of it is read. */
  private lookAhead(): void {
    const at = this.place();
    if (at.offset > MAX_DUMP_OFFSET) {
      // A file that long has had a transaction of some GiB; this one is given out as it comes.
      this.isBlind = true;
      this.transaction.settle(ASSUMED_COMMITTED);
      return;
    }
    this.holdFor(
      'event-group',
      lookAhead(this.parts.control, at, this.closing.signal).then((fate) => this.settle(fate)),
    );
  }

  private settle(fate: EventGroupFate): void {
    if (fate.unclearBefore > 0) {
      this.flushes.all('Changes were rolled back to a savepoint, and it cannot be told which');
    }
    this.transaction.settle(fate);
  }

  /** What XA PREPARE leaves waits for XA COMMIT; XA COMMIT … ONE PHASE is written as a prepare that commits. */
  private onXaPrepare(buffer: Buffer, header: EventHeader): void {
    const { xid, onePhase } = readXaPrepare(buffer, header.bodyStart);
    const { xa } = this;
    const at = this.place();
    this.xa = undefined;
    if (onePhase) return this.finishXa(header, xa && { xid, at, ...xa.kept });
    if (xa) this.prepared.add(xid, at, xa);
    this.commit(header);
  }

  /** An XA transaction is committed; undefined for one that was prepared before anybody listened. */
  private finishXa(header: EventHeader, prepared: Prepared | undefined): void {
    this.transaction.commitsApart();
    if (!prepared) {
      this.flushes.all('An XA transaction was committed that was prepared before the tail began');
      return this.commit(header);
    }
    if (prepared.rows) {
      this.content.keptRows(prepared.rows);
      return this.commit(header);
    }
    this.holdFor('event-group', this.readAgain(prepared), () => this.commit(header));
  }

  /** Reads the rows of a prepared transaction from where they stand; where they are gone, the keys of its tables go. */
  private async readAgain({ xid, at, tables }: Prepared): Promise<void> {
    const { control } = this.parts;
    try {
      if (!at) throw new EventGroupUnreadableError('another server has taken over since');
      const fate = await lookAhead(control, at, this.closing.signal);
      if (fate.xid !== xid) throw new EventGroupUnreadableError('they no longer stand where they stood');
      this.transaction.readAgain();
      this.settle({ ...fate, end: 'committed' });
      await readEventGroup(control, at, this.closing.signal, (buffer, header) =>
        this.onEventReadAgain(buffer, header),
      );
    } catch (error) {
      if (!(error instanceof EventGroupUnreadableError)) throw error;
      if (tables) this.flushes.tables(tables, `${XA_LOST} (${error.message})`);
      else this.flushes.all(`${XA_LOST} (${error.message})`);
    }
  }

  /** An event that is read again, of an event group whose fate is known. */
  private onEventReadAgain(buffer: Buffer, header: EventHeader): Promise<void> | undefined {
    if (isRowsEvent(header.type)) {
      const entry = this.content.tableOf(buffer, header);
      if (entry) this.content.rows(entry, buffer, header);
      return this.room.isClosed ? this.room.pass() : undefined;
    }
    switch (header.type) {
      case EventType.TABLE_MAP:
        return this.content.tableMap(buffer, header);
      case EventType.QUERY:
      case EventType.MARIADB_QUERY_COMPRESSED: {
        const query = readQuery(buffer, header, header.type !== EventType.QUERY);
        return readEventGroupStatement(query.text) ? undefined : this.content.statement(query, this.readUpTo);
      }
      default:
        this.content.unreadable(header.type);
        return undefined;
    }
  }

  /** Where the transaction in hand starts. */
  private place(): BinlogPlace {
    return { file: this.file, offset: this.transaction.isOpen ? this.transaction.offset : this.offset };
  }

  private commit(header: EventEnd): void {
    this.advance(header);
    this.xa = undefined;
    this.finish();
  }

  private finish(): void {
    this.transaction.end(this.reached, this.prepared.list, this.awaited && this.takeGtids());
  }

  /** An event that belongs to no transaction moves the position only. */
  private standalone(header: EventHeader): void {
    const before = this.offset;
    this.advance(header);
    if (!this.transaction.isOpen && this.offset !== before) {
      this.finish();
    }
  }

  private takeGtids(): GtidTracker | undefined {
    const { awaited } = this;
    const order = awaited ? comparePositions(this.readUpTo, awaited.place) : -1;
    if (!awaited || order < 0) return undefined;
    this.awaited = undefined;
    return order === 0 ? awaited.gtids : undefined;
  }

  private advance(header: EventEnd): void {
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
