import { realpathSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';

const MEMORY = '/dev/shm';
/** Some dozen servers at a time, a few of them with a million rows. */
const NEEDED_BYTES = 4 * 2 ** 30;

/**
 * Where the folders of servers are made: in memory when CACHEFLOW_IN_MEMORY asks for it and there is room, since no
 * test waits for a disk in order to learn something. Benches measure with one.
 */
export function serverRoot(onDisk: boolean): string {
  return !onDisk && process.env.CACHEFLOW_IN_MEMORY === '1' && hasRoom() ? MEMORY : realpathSync(tmpdir());
}

function hasRoom(): boolean {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    // What is written there is taken from the memory of the container as well.
    return bavail * bsize >= NEEDED_BYTES && process.availableMemory() >= NEEDED_BYTES;
  } catch {
    // Not Linux.
    return false;
  }
}
