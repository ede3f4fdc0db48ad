import type { TableFlush } from '../change/stream';

/** The flushes of a batch, the latest one for each table; a flush of all tables makes the others needless. */
export class FlushSet {
  private readonly flushes = new Map<string, TableFlush>();

  /** Flushes are added in the order of the stream. */
  add(flush: TableFlush): void {
    const ofAll = this.flushes.get('*');
    const name = ofAll || !flush.table ? '*' : `${flush.table.schema}\0${flush.table.table ?? ''}`;
    const before = flush.table ? [this.flushes.get(name)] : [...this.flushes.values()];
    const redefined = [flush, ...before].some((each) => each?.redefined);
    if (!flush.table) this.flushes.clear();
    // Its place counts: what the batch wrote before it has to go as well.
    const merged = name === '*' ? { ...flush, table: undefined } : flush;
    this.flushes.set(name, redefined ? { ...merged, redefined } : merged);
  }

  [Symbol.iterator](): Iterator<TableFlush> {
    return this.flushes.values();
  }
}
