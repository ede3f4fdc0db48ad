import { recordKey } from './scripts/record';

/** Where the checkpoint of a source is, in the Redis that holds the data. */
export function checkpointKey(name: string): string {
  return `cacheflow:${name}:checkpoint`;
}

/** Where it stands up to when the cache is right. */
export function watermarkKey(name: string): string {
  return `cacheflow:${name}:watermark`;
}

/** Where the epochs of all servers are that were tailed into this Redis. */
export const EPOCHS_KEY = 'cacheflow:epochs';

/** Where one process counts what it wrote: in the slot of the checkpoint, which depends on it. */
export function counterKey(name: string, instance: string, keyPrefix: string): string {
  return `${recordKey(checkpointKey(name), keyPrefix)}:${instance}`;
}

/** What the processes of a group share, and the stream of the changes that each of them reads: in that slot as well. */
export function groupKeys(name: string, keyPrefix: string): GroupKeys {
  const start = recordKey(checkpointKey(name), keyPrefix);
  return { group: `${start}:group`, events: `${start}:events`, eventsHead: `${start}:events-head` };
}

export interface GroupKeys {
  /** A hash with the state of the group. */
  readonly group: string;
  /** The stream. */
  readonly events: string;
  /** A hash that tells of the stream's last entry. It outlives the entry. */
  readonly eventsHead: string;
}

/** Whether a key is the library's own, so that a pattern as wide as that of the template `{id}` must not touch it. */
export function isOwnKey(key: string): boolean {
  return /^(cacheflow:(epochs|.+:(checkpoint|dead-letters|watermark))|cf:.*cacheflow:.+:checkpoint\}?:([\da-f-]{36}|group|events|events-head))$/s.test(
    key,
  );
}
