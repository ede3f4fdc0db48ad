import type { ReadingApp } from './reading-app';

export const HERD = 1_000;

/** How often a herd of readers, spread over the apps, loads the one missing key that they all want at once. */
export async function countHerdLoads(
  apps: readonly ReadingApp[],
  key: string,
  load: () => Promise<unknown>,
): Promise<number> {
  let loads = 0;
  const countedLoad = (): Promise<unknown> => {
    loads++;
    return load();
  };
  await apps[0]?.redis.unlink(key);
  await Promise.all(
    Array.from({ length: HERD }, (_, reader) =>
      apps[reader % apps.length]!.service.getOrLoad(key, countedLoad, { ttlSeconds: 60 }),
    ),
  );
  return loads;
}
