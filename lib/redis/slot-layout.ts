import { mastersOf } from './masters';
import type { RedisClient } from './redis-client';
import { isCluster } from './redis-client';

/** Which master of a cluster owns which slots, by what each says of itself. */
interface SlotLayout {
  readonly owners: string;
  /** Slots are on their way between two masters. */
  readonly isMoving: boolean;
}

const ALONE: SlotLayout = { owners: '', isMoving: false };

/** Rejects as `mastersOf` does. */
export async function readSlotLayout(client: RedisClient): Promise<SlotLayout> {
  if (!isCluster(client)) return ALONE;
  const lines = await Promise.all(
    (await mastersOf(client)).map(async (node) => {
      const nodes = String(await node.cluster('NODES')).split('\n');
      return nodes.find((line) => line.includes('myself')) ?? '';
    }),
  );
  // `<id> <address> <flags> <master> <ping> <pong> <epoch> <link> <slot>…`; a slot that is on its way is in brackets.
  const owners = lines.map((line) => [line.split(' ')[0], ...line.split(' ').slice(8)].join(' ')).sort();
  return { owners: owners.join('\n'), isMoving: owners.some((owned) => owned.includes('[')) };
}
