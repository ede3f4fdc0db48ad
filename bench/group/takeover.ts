import { quantile } from '../quantile';
import { freshBinlog } from '../workload';
import type { MeasuredProcess } from './measured-process';
import type { Finding } from './requirement';
import { atMost } from './requirement';
import type { Stage } from './stage';

const GROUP = 3;
const TYPICAL_MILLIS = 100;
const LONGEST_MILLIS = 1_000;
const FREEZE_TAKEOVER_SECONDS = 2;

/** From kill -9 of the leader to the first change that its successor has applied. */
export async function measureTakeovers(
  stage: Stage,
  { takeovers }: { readonly takeovers: number },
): Promise<Finding[]> {
  const millis = await takeOver(stage, takeovers, {
    takeoverSeconds: undefined,
    end: (leader) => leader.kill(),
  });
  const what = 'from kill -9 of the leader to the first change of its successor';
  const note = `${millis.length} takeovers`;
  return [
    atMost(`${what}, p50`, { value: quantile(millis, 0.5), bound: TYPICAL_MILLIS, unit: ' ms', note }),
    atMost(`${what}, longest`, { value: Math.max(...millis), bound: LONGEST_MILLIS, unit: ' ms', note }),
  ];
}

/** The same for a leader that is frozen, whose lock the server takes away after its life. */
export async function measureFreezes(
  stage: Stage,
  { freezes }: { readonly freezes: number },
): Promise<Finding[]> {
  const millis = await takeOver(stage, freezes, {
    takeoverSeconds: FREEZE_TAKEOVER_SECONDS,
    end: (leader) => leader.freeze(),
  });
  const what = `from SIGSTOP of the leader to the first change of its successor, longest`;
  return [
    atMost(what, {
      value: Math.max(...millis),
      bound: FREEZE_TAKEOVER_SECONDS * 1_000 + LONGEST_MILLIS,
      unit: ' ms',
      note: `${millis.length} takeovers; takeoverSeconds: ${FREEZE_TAKEOVER_SECONDS}`,
    }),
  ];
}

/** Milliseconds that each takeover took. */
async function takeOver(
  stage: Stage,
  rounds: number,
  {
    takeoverSeconds,
    end,
  }: {
    readonly takeoverSeconds: number | undefined;
    end(leader: MeasuredProcess): Promise<void> | void;
  },
): Promise<number[]> {
  // Servers look for the GTID of a checkpoint from the beginning of its file; parts before this one have filled theirs.
  await freshBinlog(stage.sql);
  const options = stage.optionsOfNewGroup(takeoverSeconds === undefined ? {} : { takeoverSeconds });
  let group = await stage.startAll(GROUP, options);
  const millis: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const { leader, standbys } = await stage.settled(group);
    await leader.ask('caughtUp');
    const { gone } = await stage.cacheAndWatch(round);
    const start = performance.now();
    // The change comes when the leader can no longer apply it.
    await end(leader);
    await stage.change(round);
    millis.push((await gone) - start);
    await leader.kill();
    group = [...standbys, await stage.start(options)];
  }
  await Promise.all(group.map((each) => each.close()));
  return millis;
}
