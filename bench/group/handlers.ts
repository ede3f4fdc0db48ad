import { startRabbitmq } from '../../test/support/servers';
import { waitFor } from '../../test/support/wait-for';
import type { MeasuredProcess } from './measured-process';
import type { AppOptions } from './question';
import type { Finding } from './requirement';
import { atLeast } from './requirement';
import type { Stage } from './stage';

const HANDLER_MILLIS = 5;
/** Calls at a time in one process: so few that the handlers, and not the processors, are what is waited for. */
const CONCURRENCY = 1;
const PARTITIONS = 12;
const PROCESSES = [1, 2, 3] as const;
const LEAST_GAIN = 2.7;
/** Of the calls that are measured: until the broker serves each partition in the process that it belongs to. */
const WARM_UP_SHARE = 0.25;
/** So many times as many calls for handlers that take no time. */
const QUICK = 5;
const LONGEST_MILLIS = 120_000;

/** Handler calls a second that are spread over processes by the broker. */
export async function measureHandlers(
  stage: Stage,
  { calls, items }: { readonly calls: number; readonly items: number },
): Promise<Finding[]> {
  const broker = await startRabbitmq();
  try {
    const optionsOf = (concurrency?: number): AppOptions =>
      stage.optionsOfNewGroup({
        handlers: { distribute: true, partitions: PARTITIONS, ...(concurrency && { concurrency }) },
        retry: { mq: { url: broker.url } },
      } as Partial<AppOptions>);
    const rates: number[] = [];
    for (const processes of PROCESSES) {
      const group = await stage.startAll(processes, optionsOf(CONCURRENCY), {
        handlerMillis: HANDLER_MILLIS,
      });
      rates.push(await measureCalls(stage, group, Math.min(calls, items)));
    }
    const [ofOne = NaN, ofTwo = NaN, ofThree = NaN] = rates;
    const group = await stage.startAll(PROCESSES.length, optionsOf(), { handlerMillis: 0 });
    const throughBroker = await measureCalls(stage, group, Math.min(calls * QUICK, items));
    return [
      atLeast(`handlers of ${HANDLER_MILLIS} ms, 3 processes, times 1 process`, {
        value: ofThree / ofOne,
        bound: LEAST_GAIN,
        unit: '',
        note: `${rates.map((rate) => Math.round(rate)).join(', ')} calls/s in 1, 2, 3; 2 processes: ${(ofTwo / ofOne).toFixed(2)}`,
      }),
      { what: 'changes/s through the broker', measured: `${Math.round(throughBroker)}/s` },
    ];
  } finally {
    await broker.dispose();
  }
}

/** Calls a second, of changes that have all been written before. */
async function measureCalls(stage: Stage, group: readonly MeasuredProcess[], count: number): Promise<number> {
  const { leader } = await stage.settled(group);
  await leader.ask('caughtUp');
  await run(Math.round(count * WARM_UP_SHARE));
  const rate = await run(count);
  await Promise.all(group.map((each) => each.close()));
  return rate;

  async function run(changes: number): Promise<number> {
    await leader.ask('pause');
    await stage.sql.query('UPDATE bench.items SET price = price + 1 WHERE id < ?', [changes]);
    const before = await totalCalls();
    const start = Date.now();
    await leader.ask('resume');
    await waitFor(async () => (await totalCalls()) - before >= changes, {
      message: `${changes} calls`,
      timeoutMillis: LONGEST_MILLIS,
    });
    const all = await Promise.all(group.map((each) => each.ask('calls')));
    return (changes * 1_000) / (Math.max(...all.map(({ lastAt }) => lastAt)) - start);
  }

  async function totalCalls(): Promise<number> {
    const all = await Promise.all(group.map((each) => each.ask('calls')));
    return all.reduce((sum, each) => sum + each.count, 0);
  }
}
