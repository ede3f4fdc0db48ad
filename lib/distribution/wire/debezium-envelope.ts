import type { ChangeAction, ChangeEvent, Row } from '../../change/change-event';
import type { ChangeMessage, Envelope } from './change-message';
import { changeId } from './change-message';
import { fromConnect, toConnect } from './debezium-values';
import { JsonFields, UnreadableMessageError } from './read-json';
import type { Json } from './tagged-json';

/** Debezium's `source.version`: what wrote the message. */
const VERSION = 'nestjs-cacheflow/1';

const OPERATIONS = { insert: 'c', update: 'u', delete: 'd' } as const satisfies Record<ChangeAction, string>;

type JsonObject = { [name: string]: Json };

const field = (name: string, type: string, optional = false): JsonObject => ({ type, optional, field: name });

const SOURCE_FIELDS: Json[] = [
  field('version', 'string'),
  field('connector', 'string'),
  field('name', 'string'),
  field('ts_ms', 'int64'),
  field('snapshot', 'string', true),
  field('db', 'string'),
  field('sequence', 'string', true),
  field('table', 'string', true),
  field('server_id', 'int64'),
  field('gtid', 'string', true),
  field('file', 'string'),
  field('pos', 'int64'),
  field('row', 'int32'),
  field('thread', 'int64', true),
  field('query', 'string', true),
  field('term', 'int64'),
  { type: 'array', items: { type: 'string', optional: false }, optional: false, field: 'primary_key' },
];

/**
 * The envelope of Debezium's MySQL connector, with its schema, which also says how to read values that JSON loses:
 * https://debezium.io/documentation/reference/stable/connectors/mysql.html#mysql-events
 */
export const debeziumEnvelope: Envelope = {
  encode({ source, term, primaryKey, event }) {
    const { action, schema, table, position, gtid, timestamp } = event;
    const prefix = `${source}.${schema}.${table}`;
    const before = encodeRow(event.before, 'before', prefix);
    const after = encodeRow(event.after, 'after', prefix);
    return JSON.stringify({
      schema: {
        type: 'struct',
        fields: [
          before.schema,
          after.schema,
          { ...struct('source', 'io.debezium.connector.mysql.Source', SOURCE_FIELDS), optional: false },
          field('op', 'string'),
          field('ts_ms', 'int64', true),
        ],
        optional: false,
        name: `${prefix}.Envelope`,
      },
      payload: {
        before: before.value,
        after: after.value,
        source: {
          version: VERSION,
          // MariaDB's GTIDs are three numbers, MySQL's begin with a UUID.
          connector: gtid !== undefined && /^\d+-\d+-\d+$/.test(gtid) ? 'mariadb' : 'mysql',
          name: source,
          ts_ms: timestamp,
          snapshot: 'false',
          db: schema,
          sequence: null,
          table,
          // The events do not say it.
          server_id: 0,
          gtid: gtid ?? null,
          file: position.file,
          pos: position.offset,
          row: position.row,
          thread: null,
          query: null,
          term,
          primary_key: primaryKey,
        },
        op: OPERATIONS[action],
        ts_ms: Date.now(),
      },
    });
  },

  decode(text): ChangeMessage {
    const message = JsonFields.parse(text);
    const payload = message.fields('payload');
    const source = payload.fields('source');
    if (source.get('version') !== VERSION) throw new UnreadableMessageError('It has another format');
    const schemas = message.fields('schema').list('fields') as JsonObject[];
    const gtid = source.optionalText('gtid');
    const event: ChangeEvent = {
      action: actionOf(payload.get('op')),
      schema: source.text('db'),
      table: source.text('table'),
      before: decodeRow(schemas, payload, 'before'),
      after: decodeRow(schemas, payload, 'after'),
      position: { file: source.text('file'), offset: source.number('pos'), row: source.number('row') },
      ...(gtid === undefined ? {} : { gtid }),
      timestamp: source.number('ts_ms'),
    };
    return {
      id: changeId(event),
      source: source.text('name'),
      term: source.number('term'),
      primaryKey: source.texts('primary_key'),
      event,
    };
  },
};

function struct(name: string, type: string, fields: Json[]): JsonObject {
  return { type: 'struct', fields, optional: true, name: type, field: name };
}

function encodeRow(row: Row | null, name: string, prefix: string): { schema: JsonObject; value: Json } {
  const columns = Object.entries(row ?? {}).map(
    ([column, value]) => [column, toConnect(column, value)] as const,
  );
  return {
    schema: struct(
      name,
      `${prefix}.Value`,
      columns.map(([, column]) => column.field),
    ),
    // fromEntries defines its properties: a column may be called __proto__.
    value: row && Object.fromEntries(columns.map(([column, { value }]) => [column, value])),
  };
}

function decodeRow(schemas: readonly JsonObject[], payload: JsonFields, name: string): Row | null {
  if (payload.get(name) === null) return null;
  const values = payload.fields(name);
  const fields = schemas.find((each) => each['field'] === name)?.['fields'];
  if (!Array.isArray(fields)) throw new UnreadableMessageError('The schema lacks a row');
  return Object.fromEntries(
    (fields as JsonObject[]).map((each) => {
      const column = String(each['field']);
      return [column, fromConnect(each, values.get(column) ?? null)];
    }),
  );
}

function actionOf(operation: Json | undefined): ChangeAction {
  const found = (Object.keys(OPERATIONS) as ChangeAction[]).find((each) => OPERATIONS[each] === operation);
  if (!found) throw new UnreadableMessageError('There is no such operation');
  return found;
}
