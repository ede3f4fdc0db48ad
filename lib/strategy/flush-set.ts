import type { TableFlush } from '../pipeline/stream';

/** The flushes of a batch, one for each table; a flush of all tables makes the others needless. */
export class FlushSet {
  private readonly flushes = new Map<string, TableFlush>();

  /** Whether it was not in the set yet. */
  add(flush: TableFlush): boolean {
    const name = flush.table ? `${flush.table.schema}\0${flush.table.table ?? ''}` : '*';
    if (this.flushes.has('*') || this.flushes.has(name)) return false;
    if (name === '*') this.flushes.clear();
    this.flushes.set(name, flush);
    return true;
  }

  [Symbol.iterator](): Iterator<TableFlush> {
    return this.flushes.values();
  }
}
