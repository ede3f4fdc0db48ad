import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { RedisServer, SqlServer } from '../../test/support/servers';
import { Items } from './items';
import type { Leftovers } from './leftovers';
import { findLeftovers } from './leftovers';
import { Load } from './load';
import type { LoadShape } from './options';
import type { ReadCounts } from './read-counts';
import type { WayDefinition } from './ways/way';

/** For whatever a way may still do after it says that it has done everything. */
export const REST_MILLIS = 1_000;

export interface WayResult extends Leftovers {
  readonly label: string;
  readonly counts: ReadCounts;
  readonly writes: number;
  readonly seconds: number;
}

/** One way, from an empty cache and a new table to the comparison at the end. */
export async function runWay(
  definition: WayDefinition,
  shape: LoadShape,
  sql: SqlServer,
  redisServer: RedisServer,
): Promise<WayResult> {
  const items = await Items.create(sql, shape.keys);
  const redis = new Redis(redisServer.connectionOptions());
  try {
    await redis.flushall();
    const way = await definition.open({ sql, redis, writes: shape.writes });
    try {
      const load = new Load(shape, items, way);
      const begun = performance.now();
      await load.run();
      const seconds = (performance.now() - begun) / 1_000;
      await way.settle();
      await sleep(REST_MILLIS);
      const leftovers = await findLeftovers(items, redis);
      const { counts, writes } = load;
      return { label: definition.label, counts, writes, seconds, ...leftovers };
    } finally {
      await way.close();
    }
  } finally {
    redis.disconnect();
    await items.close();
  }
}
