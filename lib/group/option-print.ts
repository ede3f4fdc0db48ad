import { createHash } from 'node:crypto';
import type { CacheflowConfig } from '../config/cacheflow.config';

/** The options in which the processes of a group have to agree, each with a digest of its value, by name. */
export type OptionPrint = Readonly<Record<string, string>>;

/** Nothing of it tells the values themselves. */
export function printOptions(config: CacheflowConfig, election: string): OptionPrint {
  const print: Record<string, string> = {
    election: digestOf(election),
    checkpoint: digestOf(typeof config.checkpoint === 'string' ? config.checkpoint : 'own'),
    cascades: digestOf(config.cascades),
    onPositionLost: digestOf(config.onPositionLost),
    'retry.mq': digestOf(config.retry.mq && { ...config.retry.mq, urls: undefined, tls: undefined }),
    barrier: digestOf(config.barrier !== undefined),
    // Whoever leads decides what is in the stream that all of them read.
    'events.delivery': digestOf(config.events.delivery),
  };
  for (const { index: _index, ...rule } of config.rules.all)
    print[`tables ${rule.db}.${rule.table}`] = digestOf(rule);
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

/** JSON in which the order of properties does not matter, and functions and patterns count by their text. */
function textOf(value: unknown): string {
  if (typeof value === 'function' || value instanceof RegExp) return JSON.stringify(String(value));
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined';
  if (Array.isArray(value)) return `[${value.map(textOf).join(',')}]`;
  if (value instanceof Map || value instanceof Set) return textOf([...value]);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, each]) => `${JSON.stringify(name)}:${textOf(each)}`).join(',')}}`;
}
