import { readCacheAside } from './cache-aside-reader';
import type { WayDefinition } from './way';

/** What is mostly recommended for the second deletion. */
const DELAY_MILLIS = 500;

/** The delayed double delete: before the write, and once more some time after its commit. */
export const doubleDelete: WayDefinition = {
  name: 'double-delete',
  label: `DEL before the write and ${DELAY_MILLIS} ms after the commit`,
  async open({ redis }) {
    const timers = new Set<NodeJS.Timeout>();
    let pending = 0;
    let failure: unknown;
    let onIdle: (() => void) | undefined;
    const deleteLater = (key: string): void => {
      pending++;
      const timer = setTimeout(() => {
        timers.delete(timer);
        redis
          .del(key)
          .catch((error: unknown) => {
            failure = error;
          })
          .finally(() => {
            if (--pending === 0) onIdle?.();
          });
      }, DELAY_MILLIS);
      timers.add(timer);
    };
    return {
      read: (key, load) => readCacheAside(redis, key, load),
      async write(key, commit) {
        await redis.del(key);
        await commit();
        deleteLater(key);
      },
      async settle() {
        if (pending > 0) {
          await new Promise<void>((resolve) => {
            onIdle = resolve;
          });
        }
        if (failure) throw failure;
      },
      async close() {
        for (const timer of timers) clearTimeout(timer);
      },
    };
  },
};
