import type { CacheSerializer } from '../options/cache-serializer';
import { jsonSerializer } from '../options/cache-serializer';
import type { CacheOptions } from '../options/cacheflow.options';
import type { OptionCheck } from './option-check';
import { isObject } from './option-check';

export type ResolvedCacheOptions = Required<CacheOptions>;

const DEFAULTS: ResolvedCacheOptions = {
  serializer: jsonSerializer,
  ttlSeconds: 3_600,
  negativeTtlSeconds: 60,
  ttlJitter: 0.1,
  leaseMillis: 10_000,
  waitMillis: 500,
  timeoutMillis: 500,
  watermarkMillis: 500,
};

/** Node takes longer timers for one millisecond. */
const LONGEST_TIMER = 2 ** 31 - 1;
const MILLIS = `it has to be a whole number from 1 to ${LONGEST_TIMER}`;

/** What may be said for a single read as well, and what is wrong with it. */
const NUMBERS = {
  ttlSeconds: { holds: (value: number) => value > 0, problem: 'it has to be a number above 0, or Infinity' },
  negativeTtlSeconds: { holds: isFrom0, problem: 'it has to be a number from 0 on' },
  ttlJitter: {
    holds: (value: number) => value >= 0 && value < 1,
    problem: 'it has to be a number from 0 up to, but not, 1',
  },
  leaseMillis: { holds: isMillis, problem: MILLIS },
  waitMillis: {
    holds: (value: number) => value >= 0 && value <= LONGEST_TIMER,
    problem: `it has to be a number from 0 to ${LONGEST_TIMER}`,
  },
  timeoutMillis: { holds: isMillis, problem: MILLIS },
  watermarkMillis: { holds: isMillis, problem: MILLIS },
} satisfies Record<string, { holds(value: number): boolean; problem: string }>;

export type CacheNumber = keyof typeof NUMBERS;

/** What is wrong with one of the numbers; undefined where nothing is. */
export function numberProblem(name: CacheNumber, value: unknown): string | undefined {
  const { holds, problem } = NUMBERS[name];
  return typeof value === 'number' && holds(value) ? undefined : problem;
}

export function resolveCache(check: OptionCheck, given: unknown): ResolvedCacheOptions {
  if (given === undefined) return DEFAULTS;
  if (!isObject(given)) {
    check.fault('cache', 'it is no object', 'Write an object or leave it out');
    return DEFAULTS;
  }
  const known = Object.fromEntries(Object.keys(DEFAULTS).map((name) => [name, true as const]));
  check.names('cache', given, known);
  const resolved = { ...DEFAULTS };
  for (const name of Object.keys(NUMBERS) as CacheNumber[]) {
    if (given[name] === undefined) continue;
    const problem = numberProblem(name, given[name]);
    if (problem === undefined) resolved[name] = given[name] as number;
    else check.fault(`cache.${name}`, problem, 'Correct it or leave it out for the default');
  }
  const serializer = given['serializer'];
  if (isSerializer(serializer)) resolved.serializer = serializer;
  else if (serializer !== undefined) {
    check.fault(
      'cache.serializer',
      'it has no methods `serialize` and `deserialize`',
      'Pass an object with both, or leave it out for JSON',
    );
  }
  return resolved;
}

function isSerializer(value: unknown): value is CacheSerializer {
  const serializer = value as Partial<CacheSerializer> | null | undefined;
  return typeof serializer?.serialize === 'function' && typeof serializer.deserialize === 'function';
}

function isFrom0(value: number): boolean {
  return value >= 0 && Number.isFinite(value);
}

function isMillis(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value <= LONGEST_TIMER;
}
