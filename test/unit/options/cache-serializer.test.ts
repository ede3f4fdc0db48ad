import { describe, expect, it } from 'vitest';
import { jsonSerializer } from '../../../lib/options/cache-serializer';

describe('The serializer for JSON', () => {
  it.each([
    ['nothing', null, 'null'],
    ['text', 'a"b', '"a\\"b"'],
    ['a number', 5, '5'],
    ['a row', { id: 1, name: null, at: new Date(0) }, '{"id":1,"name":null,"at":"1970-01-01T00:00:00.000Z"}'],
    ['a binary column as base64', { id: 1, hash: Buffer.from([255, 0]) }, '{"id":1,"hash":"/wA="}'],
    ['the binary columns of rows', [{ hash: Buffer.from('a') }, null, 5], '[{"hash":"YQ=="},null,5]'],
    ['a Buffer', Buffer.from('a'), '"YQ=="'],
    ['Buffers in a list', [Buffer.from('a')], '["YQ=="]'],
    // Only rows are looked into.
    ['a Buffer further in', { a: { b: Buffer.from('a') } }, '{"a":{"b":{"type":"Buffer","data":[97]}}}'],
    ['an object that says itself what it is', { toJSON: () => ({ a: 1 }) }, '{"a":1}'],
  ])('writes %s', (_title, value, text) => {
    const before = structuredClone(typeof value === 'object' && value && 'toJSON' in value ? {} : value);
    expect(jsonSerializer.serialize(value)).toBe(text);
    expect(jsonSerializer.deserialize(text)).toEqual(JSON.parse(text));
    // What callers hold stays as it is.
    if (!(typeof value === 'object' && value && 'toJSON' in value))
      expect(structuredClone(value)).toEqual(before);
  });

  it('keeps what a class with a Buffer says of itself', () => {
    class Secret {
      readonly hash = Buffer.from('secret');
      toJSON(): unknown {
        return { shown: Buffer.from('a') };
      }
    }
    expect(jsonSerializer.serialize(new Secret())).toBe('{"shown":"YQ=="}');
  });

  it('throws for what JSON does not have', () => {
    expect(() => jsonSerializer.serialize(5n)).toThrow(TypeError);
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    expect(() => jsonSerializer.serialize(circle)).toThrow(TypeError);
    expect(() => jsonSerializer.deserialize('cached')).toThrow(SyntaxError);
    // No text at all, which the reader takes for unfit.
    expect(jsonSerializer.serialize(undefined)).toBeUndefined();
    expect(jsonSerializer.serialize(() => 1)).toBeUndefined();
  });
});
