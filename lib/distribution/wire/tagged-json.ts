/**
 * JSON for other languages that gives back exactly what JSON alone loses. Such a value becomes an object with one
 * name that begins with `$`; a real object that looks like it is wrapped in `$object`.
 */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

type Encoded = { [name: string]: Json };

export function toTagged(value: unknown): Json {
  switch (typeof value) {
    case 'bigint':
      return { $bigint: String(value) };
    case 'undefined':
      return { $undefined: true };
    case 'number':
      if (Object.is(value, -0)) return { $number: '-0' };
      return Number.isFinite(value) ? value : { $number: String(value) };
    case 'object':
      return value === null ? null : objectToTagged(value);
    case 'string':
    case 'boolean':
      return value;
    default:
      throw new TypeError(`A ${typeof value} cannot be written to a message`);
  }
}

function objectToTagged(value: object): Json {
  if (Array.isArray(value)) return value.map(toTagged);
  if (value instanceof Date) return { $date: Number.isNaN(value.getTime()) ? null : value.toISOString() };
  if (value instanceof Uint8Array) return { $binary: Buffer.from(value).toString('base64') };
  const object = mapValues(value, toTagged);
  return tagOf(object) === undefined ? object : { $object: object };
}

/** A row is no value: its columns may have any names. */
export function rowToTagged(row: object | null): Encoded | null {
  return row && mapValues(row, toTagged);
}

/** @throws SyntaxError when a tag is unknown */
export function fromTagged(json: Json): unknown {
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) return json.map(fromTagged);
  const tag = tagOf(json);
  return tag === undefined ? mapValues(json, fromTagged) : untag(tag, json[tag]);
}

/** @throws SyntaxError when it is no row */
export function rowFromTagged(json: Json | undefined): Record<string, unknown> | null {
  if (json === null) return null;
  if (typeof json !== 'object' || Array.isArray(json)) throw new SyntaxError('It is no row');
  return mapValues(json, fromTagged);
}

function untag(tag: string, content: Json | undefined): unknown {
  if (tag === '$bigint' && typeof content === 'string') return BigInt(content);
  if (tag === '$undefined') return undefined;
  if (tag === '$number' && typeof content === 'string') return Number(content);
  if (tag === '$date' && content === null) return new Date(Number.NaN);
  if (tag === '$date' && typeof content === 'string') return new Date(content);
  if (tag === '$binary' && typeof content === 'string') return Buffer.from(content, 'base64');
  if (tag === '$object') return rowFromTagged(content);
  throw new SyntaxError('There is no such tag');
}

function tagOf(object: object): string | undefined {
  const [name, ...others] = Object.keys(object);
  return others.length === 0 && name?.startsWith('$') ? name : undefined;
}

function mapValues<From, To>(object: { readonly [name: string]: From } | object, map: (value: From) => To) {
  const mapped: { [name: string]: To } = {};
  for (const [name, each] of Object.entries(object)) {
    // As JSON.parse does: a column may be called __proto__.
    if (name === '__proto__') {
      Object.defineProperty(mapped, name, {
        value: map(each as From),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    } else mapped[name] = map(each as From);
  }
  return mapped;
}
