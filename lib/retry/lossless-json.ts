/**
 * JSON that gives back what JSON alone loses: bigints, Buffers, Dates (also invalid ones), undefined, and numbers
 * that are not finite. Such a value becomes an array of a tag and its text; a real array gets a tag as well.
 */
type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

const ARRAY = 'a';

export function encodeValue(value: unknown): string {
  return JSON.stringify(toJson(value));
}

/** @throws SyntaxError when the text was not made by `encodeValue` */
export function decodeValue(text: string): unknown {
  return fromJson(JSON.parse(text) as Json);
}

function toJson(value: unknown): Json {
  switch (typeof value) {
    case 'bigint':
      return ['n', String(value)];
    case 'undefined':
      return ['u'];
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : ['f', Object.is(value, -0) ? '-0' : String(value)];
    case 'object':
      return value === null ? null : objectToJson(value);
    case 'string':
    case 'boolean':
      return value;
    default:
      throw new TypeError(`A ${typeof value} cannot be parked`);
  }
}

function objectToJson(value: object): Json {
  if (Array.isArray(value)) return [ARRAY, ...value.map(toJson)];
  if (value instanceof Date) return ['d', Number.isNaN(value.getTime()) ? null : value.getTime()];
  if (value instanceof Uint8Array) return ['b', Buffer.from(value).toString('base64')];
  // defineProperty, as JSON.parse does: a column may be called __proto__.
  const json: { [name: string]: Json } = {};
  for (const [name, each] of Object.entries(value)) define(json, name, toJson(each));
  return json;
}

function fromJson(json: Json): unknown {
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) return fromTagged(json);
  const object = {};
  for (const [name, each] of Object.entries(json)) define(object, name, fromJson(each));
  return object;
}

function fromTagged([tag, ...rest]: Json[]): unknown {
  const [content] = rest;
  switch (tag) {
    case ARRAY:
      return rest.map(fromJson);
    case 'n':
      return BigInt(String(content));
    case 'u':
      return undefined;
    case 'f':
      return Number(content);
    case 'd':
      return new Date(content === null ? Number.NaN : Number(content));
    case 'b':
      return Buffer.from(String(content), 'base64');
    default:
      throw new SyntaxError('There is no such tag');
  }
}

function define(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}
