import type { AuditOptions } from '../options/cacheflow.options';
import type { OptionCheck } from './option-check';
import { isObject } from './option-check';

/** The options of `audit` with their defaults. */
export type ResolvedAuditOptions = Readonly<Required<AuditOptions>>;

const AUDIT_NAMES: Record<keyof AuditOptions, true> = {
  sample: true,
  horizonsMillis: true,
  repair: true,
  maxPending: true,
};

/** What timers can count. */
const LONGEST_MILLIS = 2 ** 31 - 1;
const DEFAULTS: ResolvedAuditOptions = {
  sample: 0.01,
  horizonsMillis: [1_000, 10_000, 60_000],
  repair: false,
  maxPending: 1_000,
};

/** What is checked again after it was applied; undefined for nothing. */
export function resolveAudit(check: OptionCheck, given: unknown): ResolvedAuditOptions | undefined {
  if (given === undefined) return undefined;
  if (!isObject(given)) {
    check.fault('audit', 'it is no object', 'Write e.g. { sample: 0.01 } or {}, or leave it out');
    return undefined;
  }
  check.names('audit', given, AUDIT_NAMES);
  const { sample, horizonsMillis, repair, maxPending } = given as AuditOptions;
  if (sample !== undefined && !(typeof sample === 'number' && sample >= 0 && sample <= 1)) {
    check.fault('audit.sample', 'it is no share of the changes', 'Use a number from 0 to 1, e.g. 0.01');
  }
  if (repair !== undefined && typeof repair !== 'boolean') {
    check.fault('audit.repair', 'it is neither true nor false', 'Use one of them or leave it out');
  }
  if (maxPending !== undefined) check.positiveInteger('audit.maxPending', maxPending);
  return {
    sample: sample ?? DEFAULTS.sample,
    horizonsMillis: resolveHorizons(check, horizonsMillis),
    repair: repair ?? DEFAULTS.repair,
    maxPending: maxPending ?? DEFAULTS.maxPending,
  };
}

/** Ascending, each once. */
function resolveHorizons(check: OptionCheck, given: unknown): number[] {
  if (given === undefined) return [...DEFAULTS.horizonsMillis];
  const isMillis = (value: unknown): value is number =>
    Number.isInteger(value) && Number(value) > 0 && Number(value) <= LONGEST_MILLIS;
  if (!Array.isArray(given) || given.length === 0 || !given.every(isMillis)) {
    check.fault(
      'audit.horizonsMillis',
      'it is no list of times',
      `Use whole numbers from 1 to ${LONGEST_MILLIS}, e.g. [1000, 10000, 60000]`,
    );
    return [...DEFAULTS.horizonsMillis];
  }
  return [...new Set(given)].sort((a, b) => a - b);
}
