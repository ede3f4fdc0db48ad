import type { Redis } from 'ioredis';
import { Items } from './items';

const KEYS_PER_COMMAND = 500;

export interface Leftovers {
  readonly cached: number;
  readonly stale: number;
}

/** Compares each cached key with its row. */
export async function findLeftovers(items: Items, redis: Redis): Promise<Leftovers> {
  const rows = await items.all();
  let cached = 0;
  let stale = 0;
  for (let first = 0; first < rows.length; first += KEYS_PER_COMMAND) {
    const chunk = rows.slice(first, first + KEYS_PER_COMMAND);
    const values = await redis.mget(chunk.map(({ id }) => Items.keyOf(id)));
    for (const [index, row] of chunk.entries()) {
      const value = values[index];
      if (typeof value !== 'string') continue;
      cached++;
      if (value !== JSON.stringify(row)) stale++;
    }
  }
  return { cached, stale };
}
