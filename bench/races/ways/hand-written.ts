import { readCacheAside } from './cache-aside-reader';
import type { WayDefinition } from './way';

/** The writer deletes the key once its commit has returned. */
export const handWritten: WayDefinition = {
  name: 'hand-written',
  label: 'DEL after the commit, in the writer',
  async open({ redis }) {
    return {
      read: (key, load) => readCacheAside(redis, key, load),
      async write(key, commit) {
        await commit();
        await redis.del(key);
      },
      settle: async () => undefined,
      close: async () => undefined,
    };
  },
};
