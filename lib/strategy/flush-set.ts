import type { TableFlush } from '../pipeline/stream';

/** The flushes of a batch, the latest one for each table; a flush of all tables makes the others needless. */
export class FlushSet {
  private readonly flushes = new Map<string, TableFlush>();

  /** Flushes are added in the order of the stream. */
  add(flush: TableFlush): void {
    const ofAll = this.flushes.get('*');
    if (!flush.table) this.flushes.clear();
    // Its place counts: what the batch wrote before it has to go as well.
    if (ofAll || !flush.table) this.flushes.set('*', { ...flush, table: undefined });
    else this.flushes.set(`${flush.table.schema}\0${flush.table.table ?? ''}`, flush);
  }

  [Symbol.iterator](): Iterator<TableFlush> {
    return this.flushes.values();
  }
}
