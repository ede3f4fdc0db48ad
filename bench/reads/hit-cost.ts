import { median } from '../quantile';
import type { ReadingApp } from './reading-app';

const TTL_SECONDS = 3_600;
const WARM_UP_ROUNDS = 2;
const ROUNDS = 15;
const SEQUENTIAL_READS = 10_000;
const CONCURRENT_READS = 40_000;
const IN_FLIGHT = 64;

export interface HitCost {
  readonly 'GET + JSON.parse /s': number;
  readonly 'getOrLoad /s': number;
  /** Of the times that both took in the same round. */
  readonly 'median ratio': number;
}

/** What a hit costs over plain Redis: the same key over the same client, turn and turn about. */
export async function measureHits(
  { service, redis }: ReadingApp,
  key: string,
  load: () => Promise<unknown>,
): Promise<Record<string, HitCost>> {
  const options = { ttlSeconds: TTL_SECONDS };
  await service.getOrLoad(key, load, options);
  const bytes = await redis.strlen(key);
  const refuse = (): never => {
    throw new Error(`${key} is not cached`);
  };
  const plain = async (): Promise<unknown> => {
    const text = await redis.get(key);
    return text === null ? refuse() : JSON.parse(text);
  };
  const leased = (): Promise<unknown> => service.getOrLoad<unknown>(key, refuse, options);
  return {
    [`${bytes} bytes, one after another`]: await compare(plain, leased, SEQUENTIAL_READS, 1),
    [`${bytes} bytes, ${IN_FLIGHT} at once`]: await compare(plain, leased, CONCURRENT_READS, IN_FLIGHT),
  };
}

async function compare(
  plain: () => Promise<unknown>,
  leased: () => Promise<unknown>,
  reads: number,
  inFlight: number,
): Promise<HitCost> {
  const plainMillis: number[] = [];
  const leasedMillis: number[] = [];
  const sides = [
    { read: plain, millis: plainMillis },
    { read: leased, millis: leasedMillis },
  ];
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    // Each goes first in every other round.
    sides.reverse();
    for (const { read, millis } of sides) {
      const taken = await timeReads(read, reads, inFlight);
      if (round >= 0) millis.push(taken);
    }
  }
  const perSecond = (millis: number[]): number => Math.round((reads * 1_000) / median(millis));
  return {
    'GET + JSON.parse /s': perSecond(plainMillis),
    'getOrLoad /s': perSecond(leasedMillis),
    'median ratio': Number(
      median(leasedMillis.map((millis, round) => millis / plainMillis[round]!)).toFixed(2),
    ),
  };
}

async function timeReads(read: () => Promise<unknown>, reads: number, inFlight: number): Promise<number> {
  let left = reads;
  const readOn = async (): Promise<void> => {
    while (left-- > 0) await read();
  };
  const begun = performance.now();
  await Promise.all(Array.from({ length: inFlight }, readOn));
  return performance.now() - begun;
}
