import type { ChangeEvent } from '../../change/change-event';
import type { RowChange, TableShape } from '../../change/stream';
import { toChangeEvent } from '../../change/to-change-event';
import type { NewEventsEntry } from '../../redis/scripts/append-events';
import { decodeValue, encodeValue } from '../../retry/lossless-json';
import type { Stretch } from './stretch';
import { split } from './stretch';

/** What an entry of the stream holds: changes, and gaps where there are no changes to tell. */
export type EventsItem = { readonly event: ChangeEvent; readonly primaryKey: readonly string[] } | EventsGap;

/** Changes that nobody can be told one by one. */
export interface EventsGap {
  readonly reason: string;
  /** `schema.table`, `schema.*`, or undefined for any table. */
  readonly table: string | undefined;
}

/** Enough to amortise the cost of an entry; few enough that reading one does not hold the event loop. */
const ENTRY_CHANGES = 500;
const ENTRY_BYTES = 256 * 1024;
/** A change beyond this is told as a gap, because Redis and every process would have to hold it. */
const MAX_CHANGE_BYTES = 16 * 1024 * 1024;

/** The text of a change, or of what is told in its place. */
export function encodeChange(change: RowChange): string {
  const item: EventsItem = { event: toChangeEvent(change), primaryKey: change.table.primaryKey };
  let text: string | undefined;
  try {
    text = encodeValue(item);
  } catch (cause) {
    // The longest string there can be.
    if (!(cause instanceof RangeError)) throw cause;
  }
  if (text !== undefined && text.length <= MAX_CHANGE_BYTES) return text;
  const { schema, table } = change.table;
  const reason = `a change is larger than ${MAX_CHANGE_BYTES / 1024 / 1024} MiB`;
  return encodeGap({ reason, table: `${schema}.${table}` });
}

export function encodeGap(gap: EventsGap): string {
  return encodeValue(gap);
}

/** Joins the texts of a batch into as few entries as there have to be. */
export function toEntries(texts: readonly string[], stretch: Stretch): NewEventsEntry[] {
  const groups: string[][] = [];
  let bytes = Infinity;
  for (const text of texts) {
    const group = groups.at(-1);
    if (!group || group.length >= ENTRY_CHANGES || bytes + text.length > ENTRY_BYTES) {
      groups.push([text]);
      bytes = text.length;
    } else {
      group.push(text);
      bytes += text.length;
    }
  }
  return groups.map((group, index) => ({
    stretch: JSON.stringify(split(stretch, index, groups.length)),
    // As encodeValue writes an array.
    changes: `["a",${group.join(',')}]`,
  }));
}

/** @throws Error if the text is not one of ours */
export function decodeItems(text: string): EventsItem[] {
  const items = decodeValue(text);
  if (!Array.isArray(items) || !items.every(isItem)) throw new SyntaxError('It is no list of changes');
  return items;
}

function isItem(item: unknown): item is EventsItem {
  if (typeof item !== 'object' || item === null) return false;
  const { event, primaryKey, reason } = item as Record<string, unknown>;
  return (
    (typeof event === 'object' && event !== null && Array.isArray(primaryKey)) || typeof reason === 'string'
  );
}

/** The change of an event, as far as handlers need it. */
export function toRowChange(event: ChangeEvent, table: TableShape): RowChange {
  const { action, before, after, position, gtid, timestamp } = event;
  return {
    kind: 'row',
    action,
    table,
    projected: false,
    before,
    after,
    beforeComplete: true,
    afterComplete: true,
    position,
    gtid,
    timestamp,
  };
}
