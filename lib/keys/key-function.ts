import type { Row } from '../change/change-event';

/** Thrown where a function of the app reads a column that a row does not have; the message names it. */
export class UnknownColumnError extends Error {}

/** What JavaScript itself asks any object for. */
const ASKED_OF_ALL = new Set(['then', 'toJSON', 'constructor', 'inspect', 'nodeType', '$$typeof']);

/** The row for functions that make keys: a misspelt column is an error, not the text `undefined` in a key. */
export function strictRow(row: Row): Row {
  return new Proxy(row, {
    get(target, column, receiver) {
      const isColumn = typeof column === 'string' && !ASKED_OF_ALL.has(column);
      if (isColumn && !(column in target)) throw new UnknownColumnError(`there is no column \`${column}\``);
      return Reflect.get(target, column, receiver) as unknown;
    },
  });
}

/** Checks what a function of the app returned for keys. Throws a TypeError that holds no values. */
export function toKeys(result: unknown): readonly string[] {
  if (result === null || result === undefined) return [];
  const keys: unknown[] = Array.isArray(result) ? result : [result];
  for (const key of keys) {
    if (typeof key !== 'string' || key === '') {
      throw new TypeError(
        `a function that makes keys has to return strings, got ${key === '' ? 'an empty one' : typeof key}`,
      );
    }
  }
  return keys as string[];
}
