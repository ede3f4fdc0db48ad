import { median } from '../quantile';
import type { Workload } from '../workload';
import { freshBinlog, updateItems } from '../workload';
import type { AppOptions } from './question';
import type { Finding } from './requirement';
import { atLeast } from './requirement';
import type { Stage } from './stage';

const LEAST_RATIO = 0.95;
const GROUP = 3;

interface CatchUp {
  /** From the first change that was applied to the last one. */
  readonly millis: number;
  /** The same, and the boot of all processes. */
  readonly withBoot: number;
}

/** How fast a group works through what was written while it was away, against one process without a group. */
export async function measureCatchUp(
  stage: Stage,
  { rows, rounds, items }: { readonly rows: number; readonly rounds: number; readonly items: number },
): Promise<Finding[]> {
  const startAt = await freshBinlog(stage.sql);
  await updateItems(stage.sql, rows, items);
  const alone: CatchUp[] = [];
  const grouped: CatchUp[] = [];
  const sides = [
    { into: alone, processes: 1, election: 'none' },
    { into: grouped, processes: GROUP, election: 'source' },
  ] as const;
  // Each goes first in every other round. The one before the first warms up the servers.
  for (let round = 0; round <= rounds; round++) {
    for (const { into, processes, election } of round % 2 === 0 ? sides : [...sides].reverse()) {
      const taken = await catchUp(stage, { rows, startAt, processes, election });
      if (round > 0) into.push(taken);
    }
  }
  const rate = (all: readonly CatchUp[], of: keyof CatchUp): string =>
    `${Math.round((rows * 1_000) / median(all.map((each) => each[of]))).toLocaleString('en-US')}/s`;
  const ratio = (of: keyof CatchUp): number =>
    median(alone.map((each, round) => each[of] / (grouped[round]?.[of] ?? NaN)));
  const note = (of: keyof CatchUp): string => `medians: ${rate(grouped, of)} and ${rate(alone, of)}`;
  const what = `catch-up of a group of ${GROUP}, times that of one process`;
  return [
    atLeast(what, { value: ratio('millis'), bound: LEAST_RATIO, unit: '', note: note('millis') }),
    {
      what: `${what}, with the boot of all on one machine`,
      measured: `${ratio('withBoot').toFixed(2)} (${note('withBoot')})`,
    },
  ];
}

interface CatchUpOf {
  readonly rows: number;
  readonly startAt: Workload['start'];
  readonly processes: number;
  readonly election: AppOptions['election'];
}

async function catchUp(stage: Stage, { rows, startAt, processes, election }: CatchUpOf): Promise<CatchUp> {
  const options = stage.optionsOfNewGroup({ startAt, election });
  const group = await Promise.all(Array.from({ length: processes }, () => stage.load()));
  // Of one of the rows that were changed first.
  const { gone } = await stage.cacheAndWatch(0);
  const start = performance.now();
  const all = group.map(async (each) => {
    await each.ask('boot', options);
    await each.ask('caughtUp');
    return performance.now();
  });
  const end = Math.min(...(await Promise.all(all)));
  const statuses = await Promise.all(group.map((each) => each.ask('status')));
  const changes = statuses.reduce((sum, { counters }) => sum + counters.changes, 0);
  if (changes !== rows) throw new Error(`${changes} changes instead of ${rows}`);
  await Promise.all(group.map((each) => each.close()));
  return { millis: end - (await gone), withBoot: end - start };
}
