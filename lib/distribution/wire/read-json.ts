import type { Json } from './tagged-json';

/** A message that this library did not write, or whose form it does not know. */
export class UnreadableMessageError extends Error {}

/** The fields of a JSON object, asked for by type. */
export class JsonFields {
  constructor(private readonly object: { readonly [name: string]: Json }) {}

  /** @throws UnreadableMessageError when it is no JSON object */
  static parse(text: string): JsonFields {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      throw new UnreadableMessageError('It is no JSON');
    }
    return JsonFields.of(json);
  }

  private static of(json: unknown): JsonFields {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw new UnreadableMessageError('It is no JSON object');
    }
    return new JsonFields(json as { readonly [name: string]: Json });
  }

  get(name: string): Json | undefined {
    return Object.hasOwn(this.object, name) ? this.object[name] : undefined;
  }

  text(name: string): string {
    const value = this.get(name);
    if (typeof value !== 'string') throw new UnreadableMessageError(`${name} is no string`);
    return value;
  }

  optionalText(name: string): string | undefined {
    const value = this.get(name);
    return value === undefined || value === null ? undefined : this.text(name);
  }

  number(name: string): number {
    const value = this.get(name);
    if (typeof value !== 'number') throw new UnreadableMessageError(`${name} is no number`);
    return value;
  }

  texts(name: string): string[] {
    return this.list(name).map((each) => {
      if (typeof each !== 'string') throw new UnreadableMessageError(`${name} holds more than strings`);
      return each;
    });
  }

  list(name: string): Json[] {
    const value = this.get(name);
    if (!Array.isArray(value)) throw new UnreadableMessageError(`${name} is no list`);
    return value;
  }

  fields(name: string): JsonFields {
    return JsonFields.of(this.get(name));
  }
}
