import { watermarkKey } from '../redis/own-keys';
import type { RedisClient } from '../redis/redis-client';
import { callScript, defineScript } from '../redis/script';

/** Up to when the cache is known to be right. */
export interface Watermark {
  /** Everything that was committed on the source before this moment was applied; in milliseconds since 1970, by Redis' clock. */
  readonly atMillis: number;
  /** The transactions that were applied; undefined where the source has no GTIDs. */
  readonly gtidSet: string | undefined;
}

/** A watermark, and what Redis' clock says at the same time. */
export interface WatermarkReading {
  readonly watermark: Watermark | undefined;
  readonly nowMillis: number;
}

/** One clock for all processes, also in a cluster, whose nodes have clocks of their own: that of the key's node. */
const READ = defineScript(`
local time = redis.call('TIME')
return { redis.call('GET', KEYS[1]) or '', tostring(time[1] * 1000 + math.floor(time[2] / 1000)) }
`);

/** Rejects with the client's error. */
export async function readWatermark(client: RedisClient, name: string): Promise<WatermarkReading> {
  const [json, now] = (await callScript(client, READ, [watermarkKey(name)], [])) as [string, string];
  return { watermark: fromJson(json), nowMillis: Number(now) };
}

export function watermarkToJson({ atMillis, gtidSet }: Watermark): string {
  return JSON.stringify({ at: atMillis, gtidSet });
}

/** Undefined where there is none, or none that can be read. */
function fromJson(json: string): Watermark | undefined {
  try {
    const { at, gtidSet } = JSON.parse(json) as { at?: unknown; gtidSet?: unknown };
    if (typeof at !== 'number') return undefined;
    return { atMillis: at, gtidSet: typeof gtidSet === 'string' ? gtidSet : undefined };
  } catch {
    return undefined;
  }
}
