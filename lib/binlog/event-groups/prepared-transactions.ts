import type { TableName } from '../../change/table-name';
import type { EventHeader } from '../../decode/event-header';
import type { BinlogPlace, PreparedTransaction } from '../../change/position';
import type { CatalogEntry } from '../tables/table-catalog';
import { Savepoints } from './savepoints';
import type { Xid } from '../statements/xid';

/** A row event that waits for what becomes of its transaction. */
export interface KeptRows {
  readonly entry: CatalogEntry;
  readonly type: number;
  readonly timestamp: number;
  /** The event's body. */
  readonly bytes: Buffer;
}

/** What is known of a prepared transaction. */
export interface Prepared extends PreparedTransaction {
  /** Undefined where they were too large to keep, or came before the start: they are read again. */
  readonly rows: readonly KeptRows[] | undefined;
}

/** Of one transaction; a larger one is read again when it is committed. */
const MAX_BYTES = 1024 * 1024;
/** Of all. */
const MAX_BYTES_ALL = 16 * 1024 * 1024;
/** Beyond it the oldest are forgotten: they are mostly those that nobody will ever finish. */
const MAX_TRANSACTIONS = 1_000;
const MAX_TABLES = 16;

/** The rows of an XA transaction while they are read. */
export class XaRows {
  private rows: KeptRows[] | undefined = [];
  private readonly savepoints = new Savepoints<number>();
  private readonly tables = new Map<string, TableName>();
  private changesAny = false;
  /** Of the row events that are kept. */
  bytes = 0;

  /** Keeps a row event of a table that matters. */
  keep(
    entry: CatalogEntry,
    { type, timestamp }: Pick<EventHeader, 'type' | 'timestamp'>,
    body: Buffer,
  ): void {
    const { schema, table } = entry.shape;
    this.tables.set(`${schema}\0${table}`, { schema, table });
    if (!this.rows) return;
    this.bytes += body.length;
    if (this.bytes > MAX_BYTES) return this.giveUp();
    // Not the network's own buffer.
    this.rows.push({ entry, type, timestamp, bytes: Buffer.from(body) });
  }

  savepoint(name: string): void {
    this.savepoints.set(name, this.rows?.length ?? 0);
  }

  rollbackTo(name: string): void {
    if (!this.rows) return;
    const kept = this.savepoints.rollbackTo(name);
    if (kept === undefined) return this.giveUp();
    for (const { bytes } of this.rows.splice(kept)) this.bytes -= bytes.length;
  }

  /** Something else than rows, which may change any table: the whole is read again when it is committed. */
  keepAny(): void {
    this.changesAny = true;
    this.giveUp();
  }

  get kept(): Pick<Prepared, 'rows' | 'tables'> {
    const { rows, tables } = this;
    const isListed = !this.changesAny && tables.size <= MAX_TABLES;
    return { rows, ...(isListed ? { tables: [...tables.values()] } : {}) };
  }

  private giveUp(): void {
    this.rows = undefined;
    this.bytes = 0;
  }
}

/** The XA transactions of a stream that were prepared and not finished. */
export class PreparedTransactions {
  private readonly waiting = new Map<Xid, Prepared>();
  private bytes = 0;
  /** Made when it is asked for. */
  private snapshot: readonly PreparedTransaction[] | undefined;

  /** @param known those of the checkpoint, which were prepared before the stream goes on */
  constructor(known: readonly PreparedTransaction[]) {
    for (const each of known) this.waiting.set(each.xid, { ...each, rows: undefined });
  }

  /** Those that wait now, for the checkpoint; undefined without any. The same ones come as the same object. */
  get list(): readonly PreparedTransaction[] | undefined {
    if (this.waiting.size === 0) return undefined;
    this.snapshot ??= [...this.waiting.values()].map(({ rows: _rows, ...remembered }) => remembered);
    return this.snapshot;
  }

  /** A transaction was prepared whose group of events begins at this place. */
  add(xid: Xid, at: BinlogPlace, { kept, bytes }: XaRows): void {
    this.take(xid);
    const isTooMuch = this.bytes + bytes > MAX_BYTES_ALL;
    this.waiting.set(xid, { xid, at, ...kept, ...(isTooMuch ? { rows: undefined } : {}) });
    if (!isTooMuch) this.bytes += bytes;
    if (this.waiting.size > MAX_TRANSACTIONS) {
      const oldest = this.waiting.keys().next();
      if (!oldest.done) this.take(oldest.value);
    }
    this.snapshot = undefined;
  }

  /** A transaction is finished. Undefined for one that was prepared before anybody listened. */
  take(xid: Xid | undefined): Prepared | undefined {
    const prepared = xid === undefined ? undefined : this.waiting.get(xid);
    if (!prepared) return undefined;
    this.waiting.delete(prepared.xid);
    for (const { bytes } of prepared.rows ?? []) this.bytes -= bytes.length;
    this.snapshot = undefined;
    return prepared;
  }
}
