import { parseArgs } from 'node:util';
import type { SqlServer } from '../../test/support/servers';

export const USAGE = `npm run bench:races -- [--server mysql|mariadb|both] [--reads N] [--writes N] [--keys N]
  [--rate N] [--seed N] [--only way,way] [--slow-every N]

--keys        two fifths of the writes, unless given
--rate        reads per second outside of the races, 0: as fast as it goes
--slow-every  one load in so many takes a second longer, 0: none`;

/** Readers of one raced key. */
export const RACE_READS = 6;
const HOT_SHARE = 0.02;

/** What the load is made of; the same for all ways. */
export interface LoadShape {
  readonly seed: number;
  /** Those of the races included. */
  readonly reads: number;
  readonly writes: number;
  readonly keys: number;
  /** The first keys are written over and over. All others are raced: written once, and then left alone. */
  readonly hotKeys: number;
  readonly rate: number;
  readonly slowEvery: number;
}

export interface Options {
  readonly servers: readonly SqlServer['kind'][];
  /** The names of ways; all of them where it is empty. */
  readonly only: readonly string[];
  readonly shape: LoadShape;
}

/** Undefined where the arguments make no sense. */
export function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      server: { type: 'string', default: 'both' },
      reads: { type: 'string', default: '1000000' },
      writes: { type: 'string', default: '50000' },
      keys: { type: 'string' },
      rate: { type: 'string', default: '12000' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string', default: '' },
      'slow-every': { type: 'string', default: '0' },
    },
  });
  const writes = Number(values.writes);
  const keys = Number(values.keys ?? Math.round(writes * 0.4));
  const shape: LoadShape = {
    seed: Number(values.seed),
    reads: Number(values.reads),
    writes,
    keys,
    hotKeys: Math.max(1, Math.round(keys * HOT_SHARE)),
    rate: Number(values.rate),
    slowEvery: Number(values['slow-every']),
  };
  const servers = serversOf(values.server);
  if (!servers || !isSound(shape)) return undefined;
  return { servers, only: values.only.split(',').filter((name) => name !== ''), shape };
}

function isSound({ seed, reads, writes, keys, hotKeys, rate, slowEvery }: LoadShape): boolean {
  const races = keys - hotKeys;
  const whole = [seed, reads, writes, keys, rate, slowEvery].every((each) => Number.isInteger(each));
  return whole && races > 0 && writes >= races && reads > races * RACE_READS && rate >= 0 && slowEvery >= 0;
}

function serversOf(name: string): SqlServer['kind'][] | undefined {
  if (name === 'both') return ['mysql', 'mariadb'];
  return name === 'mysql' || name === 'mariadb' ? [name] : undefined;
}
