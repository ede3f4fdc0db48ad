import { BadRequestException, type PipeTransform } from '@nestjs/common';

type Fields = Readonly<Record<string, unknown>>;

/** Reads one field; says what is wrong with it by a message, which comes after the field's name. */
export type FieldReader<T> = (value: unknown) => T | { wrong: string };

/**
 * Turns a body into `T`, or answers 400 with everything that is wrong with it.
 *
 * @example `@Body(new BodyPipe({ name: text(100) })) body: { name: string }`
 */
export class BodyPipe<T extends object> implements PipeTransform<unknown, Partial<T>> {
  constructor(
    private readonly readers: { [K in keyof T]: FieldReader<T[K]> },
    private readonly options: { partial?: boolean } = {},
  ) {}

  /** @throws BadRequestException with one message for each fault */
  transform(body: unknown): Partial<T> {
    if (!isFields(body)) throw new BadRequestException(['the body must be a JSON object']);
    const faults = Object.keys(body)
      .filter((name) => !Object.hasOwn(this.readers, name))
      .map((name) => `${name} is not a field here`);
    const result: Partial<T> = {};
    for (const name of Object.keys(this.readers) as (keyof T & string)[]) {
      if (this.options.partial && body[name] === undefined) continue;
      const value = this.readers[name](body[name]);
      if (isWrong(value)) faults.push(`${name} ${value.wrong}`);
      else result[name] = value;
    }
    if (faults.length === 0 && Object.keys(result).length === 0) {
      faults.push(`nothing to change: give one of ${Object.keys(this.readers).join(', ')}`);
    }
    if (faults.length > 0) throw new BadRequestException(faults);
    return result;
  }
}

/** A text that is not blank; spaces around it are taken off. */
export function text(maxLength: number): FieldReader<string> {
  return (value) => {
    if (typeof value !== 'string' || value.trim() === '')
      return { wrong: 'must be a text that is not empty' };
    const trimmed = value.trim();
    // In code points, as MySQL counts VARCHAR.
    return [...trimmed].length > maxLength ? { wrong: `must not exceed ${maxLength} characters` } : trimmed;
  };
}

/** Something@domain; whether the address exists, only a mail can tell. */
export function emailAddress(maxLength: number): FieldReader<string> {
  const readText = text(maxLength);
  return (value) => {
    const read = readText(value);
    if (typeof read === 'string' && !/^[^\s@]+@[^\s@]+$/.test(read))
      return { wrong: 'must be an email address' };
    return read;
  };
}

export function oneOf<T extends string>(...choices: T[]): FieldReader<T> {
  return (value) =>
    choices.find((choice) => choice === value) ?? { wrong: `must be one of ${choices.join(', ')}` };
}

export function flag(value: unknown): boolean | { wrong: string } {
  return typeof value === 'boolean' ? value : { wrong: 'must be true or false' };
}

export function wholeNumber(value: unknown): number | { wrong: string } {
  return Number.isSafeInteger(value) ? (value as number) : { wrong: 'must be a whole number' };
}

function isFields(body: unknown): body is Fields {
  return typeof body === 'object' && body !== null && !Array.isArray(body);
}

function isWrong(value: unknown): value is { wrong: string } {
  return typeof value === 'object' && value !== null && 'wrong' in value;
}
