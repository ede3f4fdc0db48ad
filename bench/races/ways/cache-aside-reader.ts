import type { Redis } from 'ioredis';
import type { Item } from '../items';
import { TTL_SECONDS } from './way';

/** The reader that everybody writes: get, else load and set. */
export async function readCacheAside(redis: Redis, key: string, load: () => Promise<Item>): Promise<Item> {
  const cached = await redis.get(key);
  if (cached !== null) return JSON.parse(cached) as Item;
  const item = await load();
  await redis.set(key, JSON.stringify(item), 'EX', TTL_SECONDS);
  return item;
}
