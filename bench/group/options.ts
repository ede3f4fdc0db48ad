import { parseArgs } from 'node:util';

export const USAGE = `npm run bench -- --group [--mariadb] [--rows N] [--rounds N] [--seconds N] [--takeovers N]
  [--freezes N] [--calls N] [--only part,part] [--without part,part] [--report-only]

--rows         single-row transactions that a catch-up reads
--rounds       catch-ups of each side
--seconds      how long each steady load lasts
--takeovers    leaders that are killed
--freezes      leaders that are frozen
--calls        handler calls that are distributed
--report-only  exits with 0 even where a figure is not what it has to be`;

export const PARTS = ['catch-up', 'standby', 'takeover', 'freeze', 'caught-up', 'handlers'] as const;
export type Part = (typeof PARTS)[number];

export interface Options {
  readonly mariadb: boolean;
  readonly rows: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly takeovers: number;
  readonly freezes: number;
  readonly calls: number;
  readonly parts: readonly Part[];
  readonly reportOnly: boolean;
}

/** Undefined where the arguments make no sense. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      group: { type: 'boolean' },
      mariadb: { type: 'boolean', default: false },
      rows: { type: 'string', default: '200000' },
      rounds: { type: 'string', default: '9' },
      seconds: { type: 'string', default: '20' },
      takeovers: { type: 'string', default: '20' },
      freezes: { type: 'string', default: '3' },
      calls: { type: 'string', default: '2400' },
      only: { type: 'string', default: PARTS.join() },
      without: { type: 'string', default: '' },
      'report-only': { type: 'boolean', default: false },
    },
  });
  const [only, without] = [partsOf(values.only), partsOf(values.without)];
  const { mariadb, 'report-only': reportOnly } = values;
  const [rows, rounds, seconds, takeovers, freezes, calls] = [
    values.rows,
    values.rounds,
    values.seconds,
    values.takeovers,
    values.freezes,
    values.calls,
  ].map(Number) as [number, number, number, number, number, number];
  const numbers = { rows, rounds, seconds, takeovers, freezes, calls };
  if (!only || !without || !Object.values(numbers).every((each) => Number.isInteger(each) && each > 0)) {
    return undefined;
  }
  return { mariadb, ...numbers, parts: only.filter((part) => !without.includes(part)), reportOnly };
}

/** Undefined where one of them is unknown. */
function partsOf(text: string): Part[] | undefined {
  const names = text.split(',').filter((name) => name !== '');
  const parts = PARTS.filter((part) => names.includes(part));
  return parts.length === names.length ? parts : undefined;
}
