import { setOwn } from './json-text';

/** What a JSON document is made into: JavaScript values, or the text the server prints. */
export interface JsonBuilder<T> {
  literal(value: boolean | null): T;
  /** An integer of up to 32 bits. */
  integer(value: number): T;
  bigInteger(value: bigint): T;
  double(value: number): T;
  /** A decimal number as the server prints it. */
  decimal(text: string): T;
  string(value: string): T;
  array(values: T[]): T;
  object(keys: string[], values: T[]): T;
}

/**
 * JavaScript values as `JSON.parse` of the server's text gives them.
 *
 * @param exactIntegers integers beyond 2^53 as strings, which is what mysql2 does under
 *   `supportBigNumbers: true` where JSON.parse knows a number's source text
 */
export function jsonValues(exactIntegers: boolean): JsonBuilder<unknown> {
  const integerText = (text: string): unknown => {
    const value = Number(text);
    return exactIntegers && !Number.isSafeInteger(value) ? text : value;
  };
  return {
    literal: (value) => value,
    integer: (value) => value,
    bigInteger: (value) => integerText(value.toString()),
    double: (value) => value,
    decimal: (text) => (text.includes('.') ? Number(text) : integerText(text)),
    string: (value) => value,
    array: (values) => values,
    object: (keys, values) => {
      const object: Record<string, unknown> = {};
      for (let i = 0; i < keys.length; i++) setOwn(object, keys[i]!, values[i]);
      return object;
    },
  };
}

/** The server's text (MySQL `sql-common/json_dom.cc`, wrapper_to_string). */
export const JSON_TEXT: JsonBuilder<string> = {
  literal: String,
  integer: String,
  bigInteger: String,
  double: doubleText,
  decimal: (text) => text,
  string: JSON.stringify,
  array: (values) => `[${values.join(', ')}]`,
  object: (keys, values) => `{${keys.map((key, i) => `${JSON.stringify(key)}: ${values[i]!}`).join(', ')}}`,
};

/**
 * The shortest exact digits, with an exponent below 10^-15 and for whole numbers from 10^15 on (MySQL
 * `strings/dtoa.cc`, my_gcvt), and never like an integer.
 */
export function doubleText(value: number): string {
  if (Object.is(value, -0)) return '-0.0';
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string];
  const power = Number(exponent);
  if (power < -15 || (power >= 15 && Number.isInteger(value))) return `${mantissa}e${power}`;
  if (power >= -6) return Number.isInteger(value) ? `${value}.0` : String(value);
  const sign = value < 0 ? '-' : '';
  return `${sign}0.${'0'.repeat(-power - 1)}${mantissa.replace(/[-.]/g, '')}`;
}
