import { parseArgs } from 'node:util';

export const ROWS_PER_STATEMENT = 1_000;

export const USAGE = `npm run scale -- [--mariadb] [--target N] [--rows N] [--headroom PERCENT] [--price DOLLARS]
  [--latency MILLIS]

--target    changes per second to plan for
--rows      changes that each workload is measured with, a multiple of 1,000
--headroom  how much of each core stays free, for bursts and for catching up
--price     of a core for an hour
--latency   of one change alone, for the simulation; npm run bench measures it`;

export interface Options {
  readonly mariadb: boolean;
  readonly target: number;
  readonly rows: number;
  /** Between 0 and 1. */
  readonly headroom: number;
  readonly price: number;
  readonly latencyMillis: number;
}

/** Undefined where the arguments make no sense. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      mariadb: { type: 'boolean', default: false },
      target: { type: 'string', default: '1000000' },
      rows: { type: 'string', default: '100000' },
      headroom: { type: 'string', default: '50' },
      price: { type: 'string', default: '0.05' },
      latency: { type: 'string', default: '0.38' },
    },
  });
  const options: Options = {
    mariadb: values.mariadb,
    target: Number(values.target),
    rows: Number(values.rows),
    headroom: Number(values.headroom) / 100,
    price: Number(values.price),
    latencyMillis: Number(values.latency),
  };
  const { target, rows, headroom, price, latencyMillis } = options;
  const positive = [target, rows, price, latencyMillis].every((each) => each > 0);
  return positive && rows % ROWS_PER_STATEMENT === 0 && headroom >= 0 && headroom < 1 ? options : undefined;
}
