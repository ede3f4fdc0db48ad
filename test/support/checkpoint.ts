import type { Redis } from 'ioredis';
import type { Checkpoint } from '../../lib';
import type { TestApp } from './app';
import { waitFor } from './wait-for';

/** Where an app without a name of its own keeps its checkpoint. */
export const CHECKPOINT = 'cacheflow:default:checkpoint';

export async function storedCheckpoint(redis: Redis): Promise<Checkpoint | undefined> {
  return JSON.parse((await redis.get(CHECKPOINT)) ?? 'null') ?? undefined;
}

/** Compares places, undefined ones too. */
export const placeOf = (checkpoint: { file: string; offset: number } | undefined): string =>
  `${checkpoint?.file}:${checkpoint?.offset}`;

/** Resolves when the checkpoint has arrived where everything was applied. */
export async function untilSaved({ cacheflow }: TestApp, redis: Redis): Promise<void> {
  await waitFor(async () => placeOf(await storedCheckpoint(redis)) === placeOf(cacheflow.status().position), {
    message: 'the checkpoint to be saved',
  });
}
