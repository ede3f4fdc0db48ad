import type { RowChange } from './stream';
import type { ChangeEvent } from './change-event';

/** What the application sees of a change. */
export function toChangeEvent(change: RowChange): ChangeEvent {
  return {
    action: change.action,
    schema: change.table.schema,
    table: change.table.table,
    before: change.before,
    after: change.after,
    position: change.position,
    ...(change.gtid === undefined ? {} : { gtid: change.gtid }),
    timestamp: change.timestamp,
  };
}
