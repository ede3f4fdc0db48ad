import type { KeyedTable } from '../rows/keyed-table';
import type { KeyForm } from '../keys/key-form';

/** Finds the tables whose keys have the form of a key, also among thousands of tables. */
export class KeyOwners {
  private readonly byStart = new Map<string, { table: KeyedTable; form: KeyForm }[]>();
  private readonly lengths: readonly number[];

  constructor(tables: readonly KeyedTable[]) {
    for (const table of tables) {
      for (const form of table.keys.forms ?? []) {
        const group = this.byStart.get(form.start);
        if (group) group.push({ table, form });
        else this.byStart.set(form.start, [{ table, form }]);
      }
    }
    this.lengths = [...new Set([...this.byStart.keys()].map((start) => start.length))];
  }

  /** Those whose form begins as the key does. */
  of(key: string): KeyedTable[] {
    const tables = new Set<KeyedTable>();
    for (const length of this.lengths) {
      for (const { table, form } of this.byStart.get(key.slice(0, length)) ?? []) {
        if (form.split(key, () => true)?.length !== 0) tables.add(table);
      }
    }
    return [...tables];
  }
}
