import type { CacheflowOptions } from '../../lib';
import { median } from '../quantile';
import type { Workload } from '../workload';
import { freshBinlog, updateItems } from '../workload';
import type { Finding } from './requirement';
import { atLeast } from './requirement';
import type { Stage } from './stage';

const LEAST_RATIO = 0.95;
const GROUP = 3;

/** How fast a group works through what was written while it was away, against one process without a group. */
export async function measureCatchUp(
  stage: Stage,
  { rows, rounds, items }: { readonly rows: number; readonly rounds: number; readonly items: number },
): Promise<Finding[]> {
  const startAt = await freshBinlog(stage.sql);
  await updateItems(stage.sql, rows, items);
  const alone: number[] = [];
  const grouped: number[] = [];
  const sides = [
    { into: alone, processes: 1, election: 'none' },
    { into: grouped, processes: GROUP, election: 'source' },
  ] as const;
  // Each goes first in every other round. The one before the first warms up the servers.
  for (let round = 0; round <= rounds; round++) {
    for (const { into, processes, election } of round % 2 === 0 ? sides : [...sides].reverse()) {
      const millis = await catchUp(stage, { rows, startAt, processes, election });
      if (round > 0) into.push(millis);
    }
  }
  const rate = (millis: readonly number[]): string =>
    `${Math.round((rows * 1_000) / median(millis)).toLocaleString('en-US')}/s`;
  return [
    atLeast(`catch-up of a group of ${GROUP}, times that of one process`, {
      value: median(alone.map((millis, round) => millis / (grouped[round] ?? NaN))),
      bound: LEAST_RATIO,
      unit: '',
      note: `medians: ${rate(grouped)} and ${rate(alone)}`,
    }),
  ];
}

/** From the moment when all processes are told to boot to the moment when one of them has caught up. */
async function catchUp(
  stage: Stage,
  {
    rows,
    startAt,
    processes,
    election,
  }: {
    readonly rows: number;
    readonly startAt: Workload['start'];
    readonly processes: number;
    readonly election: CacheflowOptions['election'];
  },
): Promise<number> {
  const options = stage.optionsOfNewGroup({ startAt, election });
  const group = await Promise.all(Array.from({ length: processes }, () => stage.load()));
  const start = performance.now();
  const all = group.map(async (each) => {
    await each.ask('boot', options);
    await each.ask('caughtUp');
  });
  await Promise.race(all);
  const millis = performance.now() - start;
  await Promise.all(all);
  const statuses = await Promise.all(group.map((each) => each.ask('status')));
  const changes = statuses.reduce((sum, { counters }) => sum + counters.changes, 0);
  if (changes !== rows) throw new Error(`${changes} changes instead of ${rows}`);
  await Promise.all(group.map((each) => each.close()));
  return millis;
}
