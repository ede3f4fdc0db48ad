import { Cluster } from 'ioredis';
import type { RedisServer } from '../../test/support/servers';
import type { MeasuredProcess } from '../group/measured-process';
import type { AppOptions } from '../group/question';
import type { Stage } from '../group/stage';
import { cpuMicrosOf } from './cpu';

/** What is read, and how. */
export interface Workload {
  readonly label: string;
  readonly options: Partial<AppOptions>;
  /** With a handler that takes no time. */
  readonly hasHandler?: boolean;
  /** The nodes of a Redis Cluster, in place of the one Redis. */
  readonly cluster?: readonly RedisServer[];
}

/** What one change costs, in microseconds of processor time. */
export interface Cost {
  readonly label: string;
  /** Changes a second, as the machine let it. */
  readonly perSecond: number;
  readonly leader: number;
  /** All nodes together. */
  readonly redis: number;
  readonly source: number;
  /** In the binlog. */
  readonly bytes: number;
}

interface Spent {
  readonly millis: number;
  readonly leader: number;
  readonly redis: number;
  readonly source: number;
}

const KEYS_AT_ONCE = 1_000;
/** About as long as the JSON of a row. */
const VALUE = 'x'.repeat(200);

/**
 * Lets one leader catch up with a change of each of `rows` rows, all of them cached. What it takes to boot and to find
 * nothing is measured before, and taken off.
 */
export async function measureCost(
  stage: Stage,
  workload: Workload,
  backlog: { readonly rows: number; readonly bytes: number; readonly startAt: AppOptions['startAt'] },
): Promise<Cost> {
  const { rows, bytes, startAt } = backlog;
  // The first one warms up the servers.
  await catchUp(stage, workload, 'latest', 0);
  const idle = await catchUp(stage, workload, 'latest', 0);
  await cacheRows(stage, workload, rows);
  const spent = await catchUp(stage, workload, startAt, rows);
  const each = (of: keyof Spent): number => (spent[of] - idle[of]) / rows;
  return {
    label: workload.label,
    perSecond: 1_000 / each('millis'),
    leader: each('leader'),
    redis: each('redis'),
    source: each('source'),
    bytes: bytes / rows,
  };
}

async function catchUp(
  stage: Stage,
  { options, hasHandler, cluster }: Workload,
  startAt: AppOptions['startAt'],
  rows: number,
): Promise<Spent> {
  const { sql, redisServer } = stage;
  const redisPids = (cluster ?? [redisServer]).map(({ pid }) => pid);
  const leader = await stage.load();
  const ofLeader = await cpuMicros(leader);
  const ofRedis = cpuMicrosOf(redisPids);
  const ofSource = cpuMicrosOf([sql.pid]);
  const start = performance.now();
  await leader.ask('boot', stage.optionsOfNewGroup({ ...options, startAt }), {
    handlerMillis: hasHandler ? 0 : undefined,
    clusterPorts: cluster?.map(({ port }) => port),
  });
  await leader.ask('caughtUp');
  const spent = {
    millis: performance.now() - start,
    leader: (await cpuMicros(leader)) - ofLeader,
    redis: cpuMicrosOf(redisPids) - ofRedis,
    source: cpuMicrosOf([sql.pid]) - ofSource,
  };
  const { counters } = await leader.ask('status');
  if (counters.changes !== rows) throw new Error(`${counters.changes} changes instead of ${rows}`);
  await leader.close();
  return spent;
}

async function cpuMicros(each: MeasuredProcess): Promise<number> {
  return (await each.ask('cpuMillis')) * 1_000;
}

async function cacheRows(stage: Stage, { cluster }: Workload, rows: number): Promise<void> {
  const client = cluster
    ? new Cluster(cluster.map(({ port }) => ({ host: '127.0.0.1', port })))
    : stage.redis;
  for (let first = 0; first < rows; first += KEYS_AT_ONCE) {
    const ids = Array.from({ length: Math.min(KEYS_AT_ONCE, rows - first) }, (_, index) => first + index);
    await Promise.all(ids.map((id) => client.set(`bench:items:${id}`, VALUE)));
  }
  if (cluster) client.disconnect();
}
