import { paced } from '../paced';
import type { Finding } from './requirement';
import { atLeast, atMost } from './requirement';
import type { Stage } from './stage';

const GROUP = 3;
const RATE = 1_000;
const MOST_PERCENT = 1;
const WARM_UP_SECONDS = 5;
/** Less is another load. */
const LEAST_RATE = 0.95 * RATE;

/** What standing by costs while another process leads. */
export async function measureStandbys(
  stage: Stage,
  { seconds, items }: { readonly seconds: number; readonly items: number },
): Promise<Finding[]> {
  const group = await stage.startAll(GROUP, stage.optionsOfNewGroup());
  const { leader, standbys } = await stage.settled(group);
  const load = async (length: number): Promise<number> =>
    paced({ perSecond: RATE, seconds: length }, (index) => stage.change(index % items));
  await load(WARM_UP_SECONDS);
  const cpu = async (): Promise<number[]> =>
    Promise.all([leader, ...standbys].map((each) => each.ask('cpuMillis')));
  const start = performance.now();
  const before = await cpu();
  const rate = await load(seconds);
  const after = await cpu();
  const millis = performance.now() - start;
  const [ofLeader = NaN, ...ofStandbys] = after.map((each, at) => (100 * (each - before[at]!)) / millis);
  await Promise.all(group.map((each) => each.close()));
  return [
    atMost(`CPU of a standby at ${RATE} changes/s`, {
      value: Math.max(...ofStandbys),
      bound: MOST_PERCENT,
      unit: ' % of a core',
      note: `the leader: ${ofLeader.toFixed(1)} %`,
    }),
    atLeast('changes/s of that load', { value: rate, bound: LEAST_RATE, unit: '/s' }),
  ];
}
