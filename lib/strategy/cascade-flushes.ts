import type { RowChange, TableFlush } from '../change/stream';
import { keyText } from '../keys/key-text';

const NONE: TableFlush[] = [];

/** Flushes of the tables that foreign keys change along with a row, without the binlog telling. */
export function cascadeFlushes(change: RowChange): TableFlush[] {
  const { cascades } = change.table;
  if (!cascades || cascades.length === 0) return NONE;
  const reached = cascades.flatMap(({ columns, onDelete, onUpdate }) => {
    if (change.action === 'delete') return onDelete;
    if (change.action === 'insert') return [];
    const concerned = columns.length === 0 || columns.some((column) => isChanged(change, column));
    return concerned ? onUpdate : [];
  });
  return reached.map((table) => ({ kind: 'flush', table, position: change.position }));
}

/** A column that both images leave out did not change; one that only one of them has did. */
function isChanged({ before, after }: RowChange, column: string): boolean {
  return keyText(before?.[column]) !== keyText(after?.[column]);
}
