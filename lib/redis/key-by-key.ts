import type { RedisClient } from './redis-client';
import { canHaveRecord, recordKey } from './scripts/record';
import { endLease, raiseVersion } from './scripts/record-alone';
import { callScript } from './scripts/script';
import type { VersionedGroup, VersionedWrite } from './scripts/versioned-write';
import { recordSeconds, replyRemoved } from './scripts/versioned-write';
import { EPOCH_DIGITS } from './version';

// While a slot moves to another master of a cluster, Redis takes only commands for a single key of it, as long as one
// of the keys does not exist. These take the record first, so that no lease outlives it, and the key after it. All of
// them may run twice, and reject with the client's error.

/**
 * Whether a command for several keys was answered that their slot is moving. ioredis has tried it for a while then, on
 * both masters in turn, and tells the last of their answers: TRYAGAIN, ASK or MOVED.
 */
export function isSlotMoving(error: unknown): boolean {
  return error instanceof Error && /\bTRYAGAIN\b|^Too many Cluster redirections/.test(error.message);
}

/** As UNLINK of keys and records. */
export async function removeKeyByKey(client: RedisClient, keys: readonly string[]): Promise<void> {
  const prefix = client.options.keyPrefix ?? '';
  const recorded = keys.filter((key) => canHaveRecord(client, key));
  await Promise.all(recorded.map((key) => client.unlink(recordKey(key, prefix))));
  await Promise.all(keys.map((key) => client.unlink(key)));
}

/** As the script of versioned writes, whose reply it gives; but it removes what should be set. */
export async function removeVersionedKeyByKey(
  client: RedisClient,
  group: VersionedGroup,
  writes: readonly VersionedWrite[],
): Promise<unknown[]> {
  const replies = await Promise.all(
    writes.map(async ({ key, version, value }, index) => {
      const record = recordKey(key, client.options.keyPrefix ?? '');
      const args = [version, EPOCH_DIGITS, recordSeconds(group)];
      if (Number(await callScript(client, raiseVersion, [record], args)) === 0) return [];
      await client.unlink(key);
      return value === undefined
        ? []
        : replyRemoved(index, 'SLOTMOVING its slot is moving to another master');
    }),
  );
  return replies.flat();
}

/** As `forgetKeys`. */
export async function forgetKeyByKey(client: RedisClient, keys: readonly string[]): Promise<void> {
  const prefix = client.options.keyPrefix ?? '';
  await Promise.all(keys.map((key) => callScript(client, endLease, [recordKey(key, prefix)], [])));
  await Promise.all(keys.map((key) => client.unlink(key)));
}
