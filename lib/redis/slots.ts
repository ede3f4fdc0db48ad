import calculateSlot from 'cluster-key-slot';
import type { RedisClient } from './redis-client';
import { isCluster } from './redis-client';

/** Parts of at most `size` items that one command can take: in a cluster, those of one slot. */
export function groupBySlot<T>(
  client: RedisClient,
  items: readonly T[],
  keyOf: (item: T) => string,
  size: number,
): T[][] {
  if (!isCluster(client)) return chunk(items, size);
  const prefix = client.options.keyPrefix ?? '';
  const slots = new Map<number, T[]>();
  for (const item of items) {
    const slot = calculateSlot(prefix + keyOf(item));
    const group = slots.get(slot);
    if (group) group.push(item);
    else slots.set(slot, [item]);
  }
  return [...slots.values()].flatMap((group) => chunk(group, size));
}

function chunk<T>(items: readonly T[], size: number): T[][] {
  if (items.length <= size) return items.length === 0 ? [] : [[...items]];
  const chunks: T[][] = [];
  for (let at = 0; at < items.length; at += size) chunks.push(items.slice(at, at + size));
  return chunks;
}
