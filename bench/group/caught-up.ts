import { paced } from '../paced';
import { quantile } from '../quantile';
import type { Finding } from './requirement';
import { atLeast, atMost } from './requirement';
import type { Stage } from './stage';

const GROUP = 3;
const RATE = 500;
/** Less is another load. */
const LEAST_RATE = 0.95 * RATE;
const TYPICAL_MILLIS = 15;
const SAMPLE_EVERY_MILLIS = 20;
const WARM_UP_SECONDS = 2;

/** How long `caughtUp()` takes on a standby, which has to ask the leader. */
export async function measureCaughtUp(
  stage: Stage,
  { seconds, items }: { readonly seconds: number; readonly items: number },
): Promise<Finding[]> {
  const group = await stage.startAll(GROUP, stage.optionsOfNewGroup());
  const { leader, standbys } = await stage.settled(group);
  const load = (length: number): Promise<number> =>
    paced({ perSecond: RATE, seconds: length }, (index) => stage.change(index % items));
  const sample = async (length: number): Promise<[number, number[], number[]]> =>
    Promise.all([
      load(length),
      standbys[0]!.ask('sampleCaughtUp', length, SAMPLE_EVERY_MILLIS),
      leader.ask('sampleCaughtUp', length, SAMPLE_EVERY_MILLIS),
    ]);
  await sample(WARM_UP_SECONDS);
  const [rate, onStandby, onLeader] = await sample(seconds);
  await Promise.all(group.map((each) => each.close()));
  const p50 = quantile(onStandby, 0.5);
  const note = `p99 ${quantile(onStandby, 0.99).toFixed(1)} ms; on the leader p50 ${quantile(onLeader, 0.5).toFixed(1)} ms`;
  return [
    atMost(`caughtUp() on a standby at ${RATE} changes/s, p50`, {
      value: p50,
      bound: TYPICAL_MILLIS,
      unit: ' ms',
      note,
    }),
    atLeast('changes/s of that load', { value: rate, bound: LEAST_RATE, unit: '/s' }),
  ];
}
