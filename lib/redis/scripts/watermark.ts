import { watermarkKey } from '../own-keys';
import type { RedisClient } from '../redis-client';
import { callScript, defineScript } from './script';

/** Up to when the cache is known to be right. */
export interface Watermark {
  /** Everything that was committed on the source before this moment was applied; in milliseconds since 1970, by Redis' clock. */
  readonly atMillis: number;
  /** The transactions that were applied; undefined where the source has no GTIDs. */
  readonly gtidSet: string | undefined;
}

/** A watermark, and what Redis says at the same time. */
export interface WatermarkReading {
  /** Undefined also for one of the future: the clock was set back, or another server took over whose clock is behind. */
  readonly watermark: Watermark | undefined;
  readonly nowMillis: number;
  /** The count of the rounds of writes that was asked for; -1 where Redis has none. */
  readonly count: number;
}

/** More than this no clock goes back by itself. */
const CLOCK_TOLERANCE_MILLIS = 1_000;

/** One clock for all processes, also in a cluster, whose nodes have clocks of their own: that of the key's node. */
const READ = defineScript(`
local time = redis.call('TIME')
local now = tostring(time[1] * 1000 + math.floor(time[2] / 1000))
return { redis.call('GET', KEYS[1]) or '', now, KEYS[2] and redis.call('GET', KEYS[2]) or '-1' }
`);

/**
 * Rejects with the client's error.
 *
 * @param counter where a process counts its rounds of writes; see `RewindGuard`
 */
export async function readWatermark(
  client: RedisClient,
  name: string,
  counter?: string,
): Promise<WatermarkReading> {
  const keys = counter === undefined ? [watermarkKey(name)] : [watermarkKey(name), counter];
  const reply = (await callScript(client, READ, keys, [])) as unknown[];
  const [json, now, count] = reply.map(String) as [string, string, string];
  const watermark = fromJson(json);
  const nowMillis = Number(now);
  const isOfFuture = watermark !== undefined && watermark.atMillis > nowMillis + CLOCK_TOLERANCE_MILLIS;
  return { watermark: isOfFuture ? undefined : watermark, nowMillis, count: Number(count) };
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
