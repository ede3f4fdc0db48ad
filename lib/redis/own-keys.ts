import { recordKey } from './scripts/record';

/** Where the checkpoint of a source is, in the Redis that holds the data. */
export function checkpointKey(name: string): string {
  return `cacheflow:${name}:checkpoint`;
}

/** Where it stands up to when the cache is right. */
export function watermarkKey(name: string): string {
  return `cacheflow:${name}:watermark`;
}

/** What the processes of a group have agreed on about the distribution of handler calls. */
export function distributionKey(name: string): string {
  return `cacheflow:${name}:distribution`;
}

/** Where the epochs of all servers are that were tailed into this Redis. */
export const EPOCHS_KEY = 'cacheflow:epochs';

/** Where one process counts what it wrote: in the slot of the checkpoint, which depends on it. */
export function counterKey(name: string, instance: string, keyPrefix: string): string {
  return `${recordKey(checkpointKey(name), keyPrefix)}:${instance}`;
}

/** Where it stands who leads a group of processes: in the slot of the checkpoint, whose scripts ask for the term. */
export function groupKey(name: string, keyPrefix: string): string {
  return `${recordKey(checkpointKey(name), keyPrefix)}:group`;
}

/** Where the processes of a group are, beside the group. */
export function membersKey(name: string, keyPrefix: string): string {
  return `${recordKey(checkpointKey(name), keyPrefix)}:members`;
}

/** Where the changes are that every process reads, with the group whose term fences them: in that slot as well. */
export function eventsKeys(name: string, keyPrefix: string): EventsKeys {
  const start = recordKey(checkpointKey(name), keyPrefix);
  return { group: groupKey(name, keyPrefix), events: `${start}:events`, eventsHead: `${start}:events-head` };
}

export interface EventsKeys {
  /** A hash with the state of the group. */
  readonly group: string;
  /** The stream. */
  readonly events: string;
  /** A hash that tells of the stream's last entry. It outlives the entry. */
  readonly eventsHead: string;
}

/** Whether a key is the library's own, so that a pattern as wide as that of the template `{id}` must not touch it. */
export function isOwnKey(key: string): boolean {
  return /^(cacheflow:(epochs|.+:(checkpoint|dead-letters|distribution|watermark))|cf:.*cacheflow:.+:checkpoint\}?:([\da-f-]{36}|group|group:lease|members|events|events-head))$/s.test(
    key,
  );
}
