import { flushPatternsOf } from '../strategy/flush-patterns';
import type { TableRules } from '../strategy/table-rules';
import type { ChangedTable } from './ddl';

/** Which tables of a source matter. */
export class Watchlist {
  constructor(private readonly rules: TableRules) {}

  /** Whether the rows of a table have keys. */
  isWatched(schema: string, table: string): boolean {
    return this.rules.find(schema, table) !== undefined;
  }

  /** The watched tables whose keys have to go when a statement changed this table or database. */
  reachedBy(changed: ChangedTable): readonly ChangedTable[] {
    return flushPatternsOf(this.rules, changed).length > 0 ? [changed] : [];
  }
}
