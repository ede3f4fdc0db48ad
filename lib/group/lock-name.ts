import { createHash } from 'node:crypto';

/** What MySQL allows; MariaDB allows more. */
const LONGEST_NAME = 64;

/**
 * The name of the lock of a group: readable where it can be. Locks are one for the whole server and know no case, so
 * that the id of the group, which stands in its Redis, keeps groups of one name apart that have nothing else in common.
 */
export function lockName(name: string, groupId: string): string {
  const id = groupId.replaceAll('-', '').slice(0, 16);
  const readable = `cacheflow:${name}:${id}`;
  if (readable.length <= LONGEST_NAME && /^[\w.:-]+$/.test(name) && name === name.toLowerCase())
    return readable;
  return `cacheflow:${createHash('sha256').update(name).digest('hex').slice(0, 32)}:${id}`;
}
