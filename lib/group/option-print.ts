import { createHash } from 'node:crypto';
import type { TableScope } from '../change/table-name';
import type { CacheflowConfig } from '../config/cacheflow.config';

/** The options in which the processes of a group have to agree, each with a digest of its value, by name. */
export type OptionPrint = Readonly<Record<string, string>>;

const TABLES = 'tables ';

/** Nothing of it tells the values themselves. */
export function printOptions(config: CacheflowConfig, election: string): OptionPrint {
  const print: Record<string, string> = {
    election: digestOf(election),
    checkpoint: digestOf(typeof config.checkpoint === 'string' ? config.checkpoint : 'own'),
    cascades: digestOf(config.cascades),
    onPositionLost: digestOf(config.onPositionLost),
    'retry.mq': digestOf(config.retry.mq && { ...config.retry.mq, urls: undefined, tls: undefined }),
    'handlers.distribute': digestOf(config.handlers.distribute),
    'handlers.partitions': digestOf(config.handlers.partitions),
    'handlers.envelope': digestOf(config.handlers.envelope),
    barrier: digestOf(config.barrier !== undefined),
    // Whoever leads decides what is in the stream that all of them read.
    'events.delivery': digestOf(config.events.delivery),
  };
  for (const { index: _index, ...rule } of config.rules.all)
    print[`${TABLES}${rule.db}.${rule.table}`] = digestOf(rule);
  return print;
}

/** One digest for all of it. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(textOf(value)).digest('hex').slice(0, 12);
}

/** The names of the options that are not the same. */
export function differences(one: OptionPrint, other: OptionPrint): string[] {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].filter((name) => one[name] !== other[name]).sort();
}

/**
 * The tables of which the cache was not kept right so far, because those that led had other options, or had none for
 * them; undefined stands for all. Nothing where nobody has led.
 *
 * @param covered the options of those that led, as JSON
 */
export function uncoveredBy(print: OptionPrint, covered: string): (TableScope | undefined)[] {
  if (covered === '') return [];
  let before: OptionPrint = {};
  try {
    before = JSON.parse(covered) as OptionPrint;
  } catch {
    // Written by another version: nothing is known.
  }
  const names = Object.keys(print).filter((name) => name.startsWith(TABLES) && print[name] !== before[name]);
  const tables = names.map((name) => name.slice(TABLES.length));
  if (tables.some((table) => table.includes('*'))) return [undefined];
  return tables.map((table) => {
    const dot = table.indexOf('.');
    return { schema: table.slice(0, dot), table: table.slice(dot + 1) };
  });
}

/** JSON in which the order of properties does not matter, and functions and patterns count by their text. */
function textOf(value: unknown): string {
  if (typeof value === 'function' || value instanceof RegExp) return JSON.stringify(String(value));
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined';
  if (Array.isArray(value)) return `[${value.map(textOf).join(',')}]`;
  if (value instanceof Map || value instanceof Set) return textOf([...value]);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, each]) => `${JSON.stringify(name)}:${textOf(each)}`).join(',')}}`;
}
