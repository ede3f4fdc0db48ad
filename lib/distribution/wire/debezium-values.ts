import type { Json } from './tagged-json';
import { fromTagged, toTagged } from './tagged-json';

/** A field of a Kafka Connect schema in its JSON form. */
export interface ConnectField {
  readonly [name: string]: Json;
  readonly type: string;
  readonly optional: true;
  readonly field: string;
}

const DECIMAL = 'org.apache.kafka.connect.data.Decimal';
const TIMESTAMP = 'io.debezium.time.Timestamp';
const JSON_TEXT = 'io.debezium.data.Json';
/** The parameter of a field whose value Connect cannot hold; the value is null then. */
const LOST = 'nestjs-cacheflow';

/** A column as Debezium writes it: its value, and the field that says how to read it. */
export function toConnect(
  column: string,
  value: unknown,
): { readonly field: ConnectField; readonly value: Json } {
  const make = (type: string, content: Json, more: { [name: string]: Json } = {}) => ({
    field: { type, optional: true as const, ...more, field: column },
    value: content,
  });
  const lost = (type: string, tagged: Json) =>
    make(type, null, { parameters: { [LOST]: JSON.stringify(tagged) } });
  switch (typeof value) {
    case 'string':
      return make('string', value);
    case 'boolean':
      return make('boolean', value);
    case 'number':
      if (!Number.isFinite(value) || Object.is(value, -0)) return lost('double', toTagged(value));
      return make(Number.isSafeInteger(value) ? 'int64' : 'double', value);
    case 'bigint':
      return make('bytes', bigintToBase64(value), { name: DECIMAL, version: 1, parameters: { scale: '0' } });
    case 'undefined':
      return lost('string', toTagged(value));
    default:
      break;
  }
  if (value === null) return make('string', null);
  if (value instanceof Uint8Array) return make('bytes', Buffer.from(value).toString('base64'));
  if (value instanceof Date) {
    const millis = value.getTime();
    return Number.isNaN(millis)
      ? lost('int64', toTagged(value))
      : make('int64', millis, { name: TIMESTAMP, version: 1 });
  }
  return make('string', JSON.stringify(toTagged(value)), { name: JSON_TEXT, version: 1 });
}

/** What `toConnect` was given. */
export function fromConnect(field: { readonly [name: string]: Json }, value: Json): unknown {
  if (value === null) return lostValue(field['parameters']);
  if (field['name'] === TIMESTAMP) return new Date(value as number);
  if (field['name'] === JSON_TEXT) return fromTagged(JSON.parse(value as string) as Json);
  if (field['name'] === DECIMAL) return bigintFromBase64(value as string);
  return field['type'] === 'bytes' ? Buffer.from(value as string, 'base64') : value;
}

function lostValue(parameters: Json | undefined): unknown {
  if (typeof parameters !== 'object' || parameters === null || Array.isArray(parameters)) return null;
  const text = parameters[LOST];
  return typeof text === 'string' ? fromTagged(JSON.parse(text) as Json) : null;
}

/** Two's complement, the highest byte first, as Connect's Decimal has it. */
function bigintToBase64(value: bigint): string {
  let bytes = 1;
  while (BigInt.asIntN(bytes * 8, value) !== value) bytes++;
  const hex = BigInt.asUintN(bytes * 8, value)
    .toString(16)
    .padStart(bytes * 2, '0');
  return Buffer.from(hex, 'hex').toString('base64');
}

function bigintFromBase64(text: string): bigint {
  const bytes = Buffer.from(text, 'base64');
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`));
}
