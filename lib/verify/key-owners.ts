import type { KeyedTable } from '../rows/keyed-table';
import type { KeyLayout } from '../keys/key-layout';

/** Finds the tables whose keys have the layout of a key, also among thousands of tables. */
export class KeyOwners {
  private readonly byStart = new Map<string, { table: KeyedTable; layout: KeyLayout }[]>();
  private readonly lengths: readonly number[];

  constructor(tables: readonly KeyedTable[]) {
    for (const table of tables) {
      for (const layout of table.layouts ?? []) {
        const group = this.byStart.get(layout.start);
        if (group) group.push({ table, layout });
        else this.byStart.set(layout.start, [{ table, layout }]);
      }
    }
    this.lengths = [...new Set([...this.byStart.keys()].map((start) => start.length))];
  }

  /** Those whose layout begins as the key does. */
  of(key: string): KeyedTable[] {
    const tables = new Set<KeyedTable>();
    for (const length of this.lengths) {
      for (const { table, layout } of this.byStart.get(key.slice(0, length)) ?? []) {
        if (layout.split(key, () => true)?.length !== 0) tables.add(table);
      }
    }
    return [...tables];
  }
}
