import { createHash } from 'node:crypto';
import type { TableScope } from '../change/table-name';
import type { CacheflowConfig } from '../config/cacheflow.config';
import type { BinlogHandler } from '../events/on-binlog.explorer';

/** The options in which the processes of a group have to agree, each with a digest of its value, by name. */
export type OptionPrint = Readonly<Record<string, string>>;

const TABLES = 'tables ';
const EVERYWHERE = '@OnBinlog everywhere ';
const DELIVERY = 'events.delivery';

/** Nothing of it tells the values themselves. */
export function printOptions(
  config: CacheflowConfig,
  election: string,
  handlers: readonly BinlogHandler[],
): OptionPrint {
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
    [DELIVERY]: digestOf(config.events.delivery),
    '@OnBinlog': digestOf(
      handlers
        .filter(({ everywhere }) => !everywhere)
        .map(textOfHandler)
        .sort(),
    ),
  };
  for (const { everywhere, patterns } of handlers)
    if (everywhere) for (const { source } of patterns) print[`${EVERYWHERE}${source}`] = '';
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
 * The tables of which the cache was not kept right so far, or of whose changes not every process was told, because those
 * that led had other options, or had none for them; undefined stands for all. Nothing where nobody has led.
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
  const changed = Object.keys(print).filter((name) => print[name] !== before[name]);
  const [own, told] = [TABLES, EVERYWHERE].map((start) =>
    changed.filter((name) => name.startsWith(start)).map((name) => name.slice(start.length)),
  ) as [string[], string[]];
  // With this delivery, all changes of the watched tables were told, whoever wanted them.
  const toldAll = before[DELIVERY] === digestOf('everywhere');
  const tables = [...new Set([...own, ...(toldAll ? [] : told)])];
  if (tables.some((table) => table.includes('*'))) return [undefined];
  if (changed.includes(DELIVERY) && print[DELIVERY] === digestOf('everywhere')) return [undefined];
  return tables.map((table) => {
    const dot = table.indexOf('.');
    return { schema: table.slice(0, dot), table: table.slice(dot + 1) };
  });
}

function textOfHandler({ name, patterns, actions }: BinlogHandler): string {
  return textOf([name, patterns.map(({ source }) => source), actions]);
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
