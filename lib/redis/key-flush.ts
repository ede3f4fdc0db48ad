import type { Redis } from 'ioredis';
import { escapePattern } from '../keys/patterns';
import { isOwnKey } from './own-keys';
import type { RedisClient } from './redis-client';
import { forgetKeys } from './scripts/forget-keys';
import { mastersOf } from './masters';
import { readSlotLayout } from './slot-layout';
import { canHaveRecord, keyOfRecord } from './scripts/record';
import { replyError, writeKeys } from './redis-writer';

const KEYS_PER_SCAN = 500;

/** What to remove. */
export interface FlushPattern {
  /** A pattern of SCAN. */
  readonly pattern: string;
  /** Leave this version behind for each key, so that an older change cannot bring it back; undefined for none. */
  readonly version: string | undefined;
}

/**
 * Removes every key that matches one of the patterns, by SCAN and UNLINK in chunks, on every master. Keys that are
 * made while it runs may stay; those that move with their slot to another master do not. Rejects when Redis is out of reach or refuses; what was removed until then was told.
 */
export async function flushPatterns(
  client: RedisClient,
  patterns: readonly FlushPattern[],
  onRemoved: (keys: number) => void,
): Promise<void> {
  const prefix = client.options.keyPrefix ?? '';
  const before = await readSlotLayout(client);
  await flushAll();
  const { owners, isMoving } = await readSlotLayout(client);
  // A slot may have moved from a master that was scanned later to one that was scanned before. It moves once.
  if (before.isMoving || isMoving || owners !== before.owners) await flushAll();

  async function flushAll(): Promise<void> {
    const masters = await mastersOf(client);
    const results = await Promise.allSettled(masters.map((node) => unbroken(node, () => flushNode(node))));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async function flushNode(node: Redis): Promise<void> {
    for (const { pattern, version } of patterns) {
      // SCAN knows nothing of the client's key prefix, everything else adds it.
      const physical = escapePattern(prefix) + pattern;
      // The records first: a lease that was given before could be filled behind the scan's back otherwise. And a value
      // may have expired while its record says that an older change may be written.
      for (const record of recordPatterns(pattern, prefix)) {
        for await (const found of scan(node, record, prefix)) {
          const keys = found.map((name) => keyOfRecord(name, prefix)).filter((key) => key !== undefined);
          onRemoved(await remove(client, keys, version));
        }
      }
      for await (const found of scan(node, physical, prefix)) {
        const keys = found.filter((name) => keyOfRecord(name, prefix) === undefined);
        onRemoved(await remove(client, keys, version));
      }
    }
  }
}

/** Patterns that the records of all keys match which match a pattern, and few others. */
function recordPatterns(pattern: string, prefix: string): string[] {
  if (prefix === '') return [`cf:[{:]${pattern}*`];
  const escaped = escapePattern(prefix);
  return [`${escaped}cf:{${escaped}${pattern}}`, `${escaped}cf::${pattern}`];
}

/** A cursor means nothing to another run of the server: a scan over which the connection broke begins anew. */
async function unbroken(node: Redis, task: () => Promise<void>): Promise<void> {
  for (let broken = true; broken;) {
    broken = false;
    const onClose = (): void => void (broken = true);
    node.once('close', onClose);
    try {
      await task();
    } finally {
      node.off('close', onClose);
    }
  }
}

async function* scan(node: Redis, pattern: string, prefix: string): AsyncGenerator<string[]> {
  let cursor = '0';
  do {
    const [next, found] = await node.scan(cursor, 'MATCH', pattern, 'COUNT', KEYS_PER_SCAN);
    cursor = next;
    const keys = found.map((key) => key.slice(prefix.length)).filter((key) => !isOwnKey(key));
    if (keys.length > 0) yield keys;
  } while (cursor !== '0');
}

/** Resolves with how many keys it were. */
async function remove(
  client: RedisClient,
  keys: readonly string[],
  version: string | undefined,
): Promise<number> {
  if (version === undefined) {
    await forgetKeys(client, keys);
    return keys.length;
  }
  const { refusals } = await writeKeys(client, {
    removals: keys.filter((key) => !canHaveRecord(client, key)),
    versioned: keys
      .filter((key) => canHaveRecord(client, key))
      .map((key) => ({ key, version, value: undefined, ttlSeconds: undefined })),
  });
  for (const { message } of refusals.values()) throw replyError(message);
  return keys.length;
}
