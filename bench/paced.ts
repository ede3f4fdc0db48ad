import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Begins `perSecond * seconds` works, each when it is due, whether or not those before are done.
 *
 * @returns how many a second began
 */
export async function paced(
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
  work: (index: number) => Promise<void>,
): Promise<number> {
  const count = Math.round(perSecond * seconds);
  const begun: Promise<void>[] = [];
  const start = performance.now();
  for (let index = 0; index < count; index++) {
    const wait = start + (index * 1_000) / perSecond - performance.now();
    if (wait > 0) await sleep(wait);
    begun.push(work(index));
  }
  await Promise.all(begun);
  return (count * 1_000) / (performance.now() - start);
}
