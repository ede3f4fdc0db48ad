import type { OptionCheck } from './option-check';
import { isObject } from './option-check';

/** A group of optional positive whole numbers, with their defaults. */
export function resolveGroup<T extends Record<string, number>>(
  check: OptionCheck,
  path: string,
  given: unknown,
  defaults: T,
): T {
  if (given === undefined) return defaults;
  if (!isObject(given)) {
    check.fault(path, 'it is no object', 'Write an object or leave it out');
    return defaults;
  }
  check.names(path, given, Object.fromEntries(Object.keys(defaults).map((name) => [name, true as const])));
  const resolved = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof T & string)[]) {
    const value = given[name];
    if (value !== undefined && check.positiveInteger(path ? `${path}.${name}` : name, value)) {
      resolved[name] = value as T[typeof name];
    }
  }
  return resolved;
}
