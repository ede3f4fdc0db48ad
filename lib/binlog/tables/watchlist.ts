import type { TableScope } from '../../change/table-name';
import type { Cascade } from '../../change/stream';
import { flushPatternsOf } from '../../keys/flush-patterns';
import type { TableRules } from '../../keys/table-rules';
import { CascadeGraph } from './cascade-graph';

/** Which tables of a source matter. */
export class Watchlist {
  private cascades = new CascadeGraph([], () => false);

  constructor(private readonly rules: TableRules) {}

  /** From now on the parents of these foreign keys are read as well. */
  use(cascades: CascadeGraph): void {
    this.cascades = cascades;
  }

  /** Whether the rows of a table have keys. */
  isWatched(schema: string, table: string): boolean {
    return this.rules.find(schema, table) !== undefined;
  }

  /** Whether the rows of a table have to be read, be it only because of what foreign keys do with them. */
  isRead(schema: string, table: string): boolean {
    return this.isWatched(schema, table) || this.cascadesOf(schema, table).length > 0;
  }

  cascadesOf(schema: string, table: string): readonly Cascade[] {
    return this.cascades.of(schema, table);
  }

  /** What of this table or database is watched, by whatever rule. */
  watchedIn(changed: TableScope): readonly TableScope[] {
    return flushPatternsOf(this.rules, changed).length > 0 ? [changed] : [];
  }

  /** The same, with what foreign keys reach from there. */
  reachedFrom(changed: TableScope): readonly TableScope[] {
    return [...this.watchedIn(changed), ...this.cascades.reachedFrom(changed)];
  }
}
