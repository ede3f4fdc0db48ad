import type { Cascade } from '../../change/stream';
import type { TableName, TableScope } from '../../change/table-name';
import { isInScope, tableId } from '../../change/table-name';

/** A foreign key, as far as it matters here. */
export interface ForeignKey {
  readonly name: string;
  readonly child: TableName;
  readonly parent: TableName;
  /** The columns of the child. */
  readonly columns: readonly string[];
  /** The columns of the parent. */
  readonly referenced: readonly string[];
  /** `CASCADE`, `SET NULL`, `SET DEFAULT`, or one that changes no row. Undefined where it may not be seen. */
  readonly onDelete: string | undefined;
  readonly onUpdate: string | undefined;
}

type Rule = ForeignKey['onDelete'];

/** Which watched tables a change of a row reaches by foreign keys. */
export class CascadeGraph {
  private readonly byParent = new Map<string, ForeignKey[]>();
  private readonly cascades = new Map<string, readonly Cascade[]>();

  constructor(
    keys: readonly ForeignKey[],
    private readonly isWatched: (schema: string, table: string) => boolean,
  ) {
    for (const key of keys) {
      const siblings = this.byParent.get(tableId(key.parent));
      if (siblings) siblings.push(key);
      else this.byParent.set(tableId(key.parent), [key]);
    }
    for (const [name, children] of this.byParent) {
      const cascades = children.map((key) => this.cascadeOf(key)).filter(reaches);
      if (cascades.length > 0) this.cascades.set(name, cascades);
    }
  }

  /** The foreign keys to a table that lead into watched ones. */
  of(schema: string, table: string): readonly Cascade[] {
    return this.cascades.get(tableId({ schema, table })) ?? [];
  }

  /** Whether a foreign key leads into a watched table. */
  leadsSomewhere(key: ForeignKey): boolean {
    return reaches(this.cascadeOf(key));
  }

  /** The watched tables that changes of a table, or of any of a database, can reach. */
  reachedFrom(changed: TableScope): TableName[] {
    const parents = [...this.byParent.values()].flatMap(([key]) => (key ? [key.parent] : []));
    const reached = parents
      .filter((each) => isInScope(each, changed))
      .flatMap((each) => this.of(each.schema, each.table))
      .flatMap(({ onDelete, onUpdate }) => [...onDelete, ...onUpdate]);
    return unique(reached);
  }

  private cascadeOf(key: ForeignKey): Cascade {
    return {
      columns: key.referenced,
      onDelete: this.follow(key, 'delete'),
      onUpdate: this.follow(key, 'update'),
    };
  }

  /** The watched tables that this foreign key, and those behind it, change. */
  private follow(start: ForeignKey, event: 'delete' | 'update'): TableName[] {
    const reached: TableName[] = [];
    const steps: { key: ForeignKey; event: 'delete' | 'update' }[] = [{ key: start, event }];
    const seen = new Set<string>();
    for (const step of steps) {
      const { key } = step;
      const rule = step.event === 'delete' ? key.onDelete : key.onUpdate;
      const id = `${step.event} ${idOf(key)}`;
      if (!changesRows(rule) || seen.has(id)) continue;
      seen.add(id);
      if (this.isWatched(key.child.schema, key.child.table)) reached.push(key.child);
      const deletes = step.event === 'delete' && (rule === 'CASCADE' || rule === undefined);
      for (const next of this.byParent.get(tableId(key.child)) ?? []) {
        if (deletes) steps.push({ key: next, event: 'delete' });
        const updates = next.referenced.some((column) => key.columns.includes(column));
        if (updates && (!deletes || rule === undefined)) steps.push({ key: next, event: 'update' });
      }
    }
    return unique(reached);
  }
}

/** Tells foreign keys apart, also two of the same name, one after the other. */
export function idOf(key: ForeignKey): string {
  const { name, child, parent, columns, referenced, onDelete, onUpdate } = key;
  return JSON.stringify([tableId(child), name, tableId(parent), columns, referenced, onDelete, onUpdate]);
}

function changesRows(rule: Rule): boolean {
  return rule === undefined || rule === 'CASCADE' || rule === 'SET NULL' || rule === 'SET DEFAULT';
}

function reaches({ onDelete, onUpdate }: Cascade): boolean {
  return onDelete.length + onUpdate.length > 0;
}

function unique(tables: readonly TableName[]): TableName[] {
  return [...new Map(tables.map((table) => [tableId(table), table])).values()];
}
