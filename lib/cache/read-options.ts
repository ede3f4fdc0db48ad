import { isGtid } from '../change/gtid';
import type { CacheNumber, ResolvedCacheOptions } from '../config/resolve-cache';
import { numberProblem } from '../config/resolve-cache';
import { ReadOptionsError } from '../errors/cache.errors';
import type { CacheTag } from '../keys/tag';
import { isTag } from '../keys/tag';
import type { StorabilityCheck } from './storability';

/** How the library reads one value through the cache. It takes options that you leave out from the option `cache`. */
export interface ReadOptions {
  /** Time to live of the value, in seconds. Infinity means no expiry. @defaultValue `3600` */
  ttlSeconds?: number;
  /** Time to live of a cached `null`, in seconds. With 0, `null` is not cached. @defaultValue `60` */
  negativeTtlSeconds?: number;
  /** The largest share by which the library shortens the time to live at random. @defaultValue `0.1` */
  ttlJitter?: number;
  /** How long the load may take if its value is to be cached, in milliseconds. @defaultValue `10000` */
  leaseMillis?: number;
  /** How long to wait for another process that loads the same key, in milliseconds. @defaultValue `500` */
  waitMillis?: number;
  /** Tags that the value depends on, besides its own key. Once one is invalidated, the value is no longer served. */
  dependsOn?: readonly CacheTag[];
  /**
   * Serve from the cache only if every change that was committed longer ago than this, in milliseconds, is known to be
   * applied. `cache.watermarkMillis` limits how precisely the library knows this.
   *
   * @defaultValue any age will do
   */
  maxStalenessMillis?: number;
  /**
   * Serve from the cache only if this transaction is applied: the GTID of a write that the read must see (MySQL's
   * `uuid:5`, MariaDB's `0-1-5`).
   */
  after?: string;
  /**
   * What to do if the freshness is unknown, because no tail has published anything or Redis does not answer: load, or
   * serve what is cached. The library never serves a value that it knows to be too old.
   *
   * @defaultValue `'load'`
   */
  onUnknown?: 'load' | 'serve';
}

/** A read, with all defaults. */
export interface ReadPlan {
  readonly ttlSeconds: number;
  readonly negativeTtlSeconds: number;
  readonly ttlJitter: number;
  readonly leaseMillis: number;
  readonly waitMillis: number;
  readonly tags: readonly CacheTag[];
  readonly freshness: Pick<ReadOptions, 'maxStalenessMillis' | 'after' | 'onUnknown'> | undefined;
  /** What becomes of a loaded value; undefined: each may be cached. */
  readonly storability: StorabilityCheck | undefined;
}

const NUMBERS = [
  'ttlSeconds',
  'negativeTtlSeconds',
  'ttlJitter',
  'leaseMillis',
  'waitMillis',
] as const satisfies CacheNumber[];
const NAMES = [...NUMBERS, 'dependsOn', 'maxStalenessMillis', 'after', 'onUnknown'];
const NO_TAGS: readonly CacheTag[] = [];

export function defaultPlan(defaults: ResolvedCacheOptions): ReadPlan {
  const { ttlSeconds, negativeTtlSeconds, ttlJitter, leaseMillis, waitMillis } = defaults;
  const durations = { ttlSeconds, negativeTtlSeconds, ttlJitter, leaseMillis, waitMillis };
  return { ...durations, tags: NO_TAGS, freshness: undefined, storability: undefined };
}

/** Fills in the defaults. @throws ReadOptionsError for what makes no sense */
export function planRead(base: ReadPlan, options: ReadOptions): ReadPlan {
  for (const name of Object.keys(options)) {
    if (!NAMES.includes(name))
      fault(name, `there is no such option; those of a read are ${NAMES.join(', ')}`);
  }
  const numbers: Partial<Record<(typeof NUMBERS)[number], number>> = {};
  for (const name of NUMBERS) {
    const value = options[name];
    if (value === undefined) continue;
    const problem = numberProblem(name, value);
    if (problem !== undefined) fault(name, problem);
    numbers[name] = value;
  }
  return { ...base, ...numbers, tags: tagsOf(options), freshness: freshnessOf(options) };
}

function tagsOf({ dependsOn }: ReadOptions): readonly CacheTag[] {
  if (dependsOn === undefined) return NO_TAGS;
  if (!Array.isArray(dependsOn) || !dependsOn.every((each) => typeof each === 'string' && isTag(each))) {
    fault('dependsOn', "it has to be a list of tags, e.g. [tag('org', 7)]");
  }
  // Readers of a value agree on its generations, whatever the order in which they name them.
  return dependsOn.length > 1 ? [...new Set(dependsOn)].sort() : dependsOn;
}

function freshnessOf({ maxStalenessMillis, after, onUnknown }: ReadOptions): ReadPlan['freshness'] {
  if (onUnknown !== undefined && onUnknown !== 'load' && onUnknown !== 'serve') {
    fault('onUnknown', "it has to be 'load' or 'serve'");
  }
  if (
    maxStalenessMillis !== undefined &&
    !(typeof maxStalenessMillis === 'number' && maxStalenessMillis > 0)
  ) {
    fault('maxStalenessMillis', 'it has to be a number above 0');
  }
  if (after !== undefined && !(typeof after === 'string' && isGtid(after))) {
    fault(
      'after',
      'it has to be the GTID of one transaction, e.g. 3e11fa47-71ca-11e1-9e33-c80aa9429562:23 or 0-1-5',
    );
  }
  return maxStalenessMillis === undefined && after === undefined
    ? undefined
    : { maxStalenessMillis, after, onUnknown };
}

function fault(name: string, problem: string): never {
  throw new ReadOptionsError(`Option \`${name}\` of a read: ${problem}`);
}
