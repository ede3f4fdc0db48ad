import { describe, expect, it } from 'vitest';
import { ReadOptionsError, tag } from '../../../lib';
import type { CacheTag, ReadOptions } from '../../../lib';
import type { ReadPlan } from '../../../lib/cache/read-options';
import { defaultPlan, planRead } from '../../../lib/cache/read-options';
import { OptionCheck } from '../../../lib/config/option-check';
import { resolveCache } from '../../../lib/config/resolve-cache';

const GTID = '3e11fa47-71ca-11e1-9e33-c80aa9429562:23';
const NAMES =
  'ttlSeconds, negativeTtlSeconds, ttlJitter, leaseMillis, waitMillis, dependsOn, maxStalenessMillis, after, onUnknown';

const base = defaultPlan(resolveCache(new OptionCheck(), undefined));

function plan(options: unknown): ReadPlan {
  return planRead(base, options as ReadOptions);
}

describe('The options of a read', () => {
  it('have the defaults of `cache`, which have the documented ones', () => {
    const numbers = {
      ttlSeconds: 3_600,
      negativeTtlSeconds: 60,
      ttlJitter: 0.1,
      leaseMillis: 10_000,
      waitMillis: 500,
    };
    expect(plan({})).toEqual({ ...numbers, tags: [], freshness: undefined, objection: undefined });
    expect(plan({ ttlSeconds: undefined, dependsOn: undefined, after: undefined })).toEqual(plan({}));
    const check = new OptionCheck();
    const own = defaultPlan(resolveCache(check, { ttlSeconds: 5, waitMillis: 0 }));
    expect(check.faults).toEqual([]);
    expect(planRead(own, { waitMillis: 7 })).toMatchObject({
      ttlSeconds: 5,
      waitMillis: 7,
      leaseMillis: 10_000,
    });
  });

  it.each<ReadOptions>([
    { ttlSeconds: Infinity },
    { ttlSeconds: 0.5, negativeTtlSeconds: 0, ttlJitter: 0, leaseMillis: 1, waitMillis: 0 },
    { ttlJitter: 0.99 },
    { maxStalenessMillis: 0.1 },
    { maxStalenessMillis: Infinity },
    { after: GTID, onUnknown: 'serve' },
    { after: GTID.toUpperCase() },
    { after: `${GTID.slice(0, 36)}:a_tag:5` },
    { after: '0-1-5', onUnknown: 'load' },
  ])('may be %o', (options) => {
    expect(plan(options)).toMatchObject(
      Object.fromEntries(Object.entries(options).filter(([name]) => name in plan({}))),
    );
  });

  it('name tags in any order, each once', () => {
    const [a, b] = [tag('a'), tag('b')];
    expect(plan({ dependsOn: [b, a, b] }).tags).toEqual([a, b]);
    const given: CacheTag[] = [b, a];
    plan({ dependsOn: given });
    expect(given).toEqual([b, a]);
  });

  it('say how fresh the value has to be only where they do', () => {
    expect(plan({ onUnknown: 'serve' }).freshness).toBeUndefined();
    expect(plan({ after: '0-1-5' }).freshness).toEqual({
      after: '0-1-5',
      maxStalenessMillis: undefined,
      onUnknown: undefined,
    });
  });

  const noTags = "it has to be a list of tags, e.g. [tag('org', 7)]";
  const noGtid =
    'it has to be the GTID of one transaction, e.g. 3e11fa47-71ca-11e1-9e33-c80aa9429562:23 or 0-1-5';
  const MILLIS = 'it has to be a whole number from 1 to 2147483647';
  const WAIT = 'it has to be a number from 0 to 2147483647';
  it.each([
    ['ttlSeconds', 0, 'it has to be a number above 0, or Infinity'],
    ['ttlSeconds', -1, 'it has to be a number above 0, or Infinity'],
    ['ttlSeconds', Number.NaN, 'it has to be a number above 0, or Infinity'],
    ['ttlSeconds', '5', 'it has to be a number above 0, or Infinity'],
    ['ttlSeconds', null, 'it has to be a number above 0, or Infinity'],
    ['negativeTtlSeconds', -1, 'it has to be a number from 0 on'],
    ['negativeTtlSeconds', Infinity, 'it has to be a number from 0 on'],
    ['ttlJitter', 1, 'it has to be a number from 0 up to, but not, 1'],
    ['ttlJitter', -0.1, 'it has to be a number from 0 up to, but not, 1'],
    ['leaseMillis', 0, MILLIS],
    ['leaseMillis', 1.5, MILLIS],
    ['leaseMillis', Infinity, MILLIS],
    ['waitMillis', -1, WAIT],
    ['waitMillis', Infinity, WAIT],
    ['dependsOn', 'cf:tag:org', noTags],
    ['dependsOn', ['org:7'], noTags],
    ['dependsOn', [tag('org'), 7], noTags],
    ['dependsOn', null, noTags],
    ['maxStalenessMillis', 0, 'it has to be a number above 0'],
    ['maxStalenessMillis', '5', 'it has to be a number above 0'],
    ['maxStalenessMillis', Number.NaN, 'it has to be a number above 0'],
    ['after', '', noGtid],
    ['after', 'binlog.000001:4', noGtid],
    ['after', `${GTID}-25`, noGtid],
    ['after', `${GTID},${GTID}`, noGtid],
    ['after', '0-1', noGtid],
    ['after', 5, noGtid],
    ['onUnknown', 'fail', "it has to be 'load' or 'serve'"],
    ['onUnknown', null, "it has to be 'load' or 'serve'"],
    ['ttl', 5, `there is no such option; those of a read are ${NAMES}`],
    ['timeoutMillis', 5, `there is no such option; those of a read are ${NAMES}`],
    ['serializer', undefined, `there is no such option; those of a read are ${NAMES}`],
  ])('must not be { %s: %o }', (name, value, problem) => {
    const read = (): ReadPlan => plan({ [name]: value });
    expect(read).toThrow(ReadOptionsError);
    expect(read).toThrow(`Option \`${name}\` of a read: ${problem}`);
  });
});
