import { isDeepStrictEqual } from 'node:util';
import type { ChangeAction, ChangeEvent } from '../../change/change-event';
import type { ChangeMessage, Envelope } from './change-message';
import { JsonFields, UnreadableMessageError } from './read-json';
import { rowFromTagged, rowToTagged } from './tagged-json';

/** The last part counts versions: readers of one version refuse all others. */
export const FORMAT = 'nestjs-cacheflow/change/1';

const ACTIONS: readonly string[] = ['insert', 'update', 'delete'] satisfies ChangeAction[];

/** The library's own format; docs/reference/change-message.schema.json describes it. */
export const cacheflowEnvelope: Envelope = {
  encode({ id, source, term, primaryKey, event }) {
    const { action, schema, table, before, after, position, gtid, timestamp } = event;
    return JSON.stringify({
      format: FORMAT,
      id,
      source,
      term,
      action,
      schema,
      table,
      primaryKey,
      before: rowToTagged(before),
      after: rowToTagged(after),
      changed: changedColumns(event),
      position: { file: position.file, offset: position.offset, row: position.row },
      ...(gtid === undefined ? {} : { gtid }),
      timestamp,
    });
  },

  decode(text): ChangeMessage {
    const fields = JsonFields.parse(text);
    if (fields.get('format') !== FORMAT) throw new UnreadableMessageError('It has another format');
    const action = fields.text('action');
    if (!ACTIONS.includes(action)) throw new UnreadableMessageError('There is no such action');
    const position = fields.fields('position');
    const gtid = fields.optionalText('gtid');
    const event: ChangeEvent = {
      action: action as ChangeAction,
      schema: fields.text('schema'),
      table: fields.text('table'),
      before: rowFromTagged(fields.get('before')),
      after: rowFromTagged(fields.get('after')),
      position: {
        file: position.text('file'),
        offset: position.number('offset'),
        row: position.number('row'),
      },
      ...(gtid === undefined ? {} : { gtid }),
      timestamp: fields.number('timestamp'),
    };
    return {
      id: fields.text('id'),
      source: fields.text('source'),
      term: fields.number('term'),
      primaryKey: fields.texts('primaryKey'),
      event,
    };
  },
};

/** For readers that do not want to compare; empty unless it is an update. */
function changedColumns({ before, after }: ChangeEvent): string[] {
  if (!before || !after) return [];
  return Object.keys(after).filter((name) => {
    const old = Object.hasOwn(before, name) ? before[name] : undefined;
    return !isSame(old, after[name]);
  });
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  // Two dates that are invalid are not equal for Node.
  if (a instanceof Date && b instanceof Date) return Object.is(a.getTime(), b.getTime());
  return isDeepStrictEqual(a, b);
}
