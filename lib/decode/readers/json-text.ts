/** Sets a property even if its name is that of the prototype, as JSON.parse does. */
export function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    object[key] = value;
  }
}

interface ReviverContext {
  source?: string;
}
type SourceReviver = (key: string, value: unknown, context?: ReviverContext) => unknown;

const parseWithSource = JSON.parse as (text: string, reviver: SourceReviver) => unknown;

/** Whether JSON.parse tells a reviver the text of a number: Node 22 and later. */
export const knowsJsonSource: boolean = (() => {
  let known = false;
  parseWithSource('0', (_key, value, context) => {
    known = typeof context?.source === 'string';
    return value;
  });
  return known;
})();

const exactInteger: SourceReviver = (_key, value, context) =>
  typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
    ? context?.source
    : value;

/**
 * MariaDB's JSON, which is text. What is no JSON after all, because the column's check was switched off, stays
 * text.
 */
export function parseJsonText(text: string, exactIntegers: boolean): unknown {
  try {
    return exactIntegers ? parseWithSource(text, exactInteger) : JSON.parse(text);
  } catch {
    return text;
  }
}
