import { RECORD_LUA, canHaveRecord, recordKey } from './record';
import type { RedisClient } from '../redis-client';
import { forgetKeyByKey, isSlotMoving } from '../key-by-key';
import { callScript, defineScript } from './script';
import { groupBySlot } from '../slots';

/**
 * KEYS: key, record, key, record… Returns nothing. The versions stay, which keep older changes out; leases are worth
 * nothing then. It may run twice: what is gone is gone.
 */
const FORGET = defineScript(`${RECORD_LUA}
for i = 1, #KEYS, 2 do
  redis.call('UNLINK', KEYS[i])
  local record = redis.call('GET', KEYS[i + 1])
  local version = versionOf(record)
  if version == '' then
    redis.call('UNLINK', KEYS[i + 1])
  elseif version ~= record then
    redis.call('SET', KEYS[i + 1], version, 'PX', lifetimeOf(KEYS[i + 1]))
  end
end
`);

/** Enough to amortise the round trip; few enough that Redis answers others in between. */
const KEYS_PER_CALL = 250;

/** Removes keys for whatever reason but a change of their rows. Rejects with the client's error. */
export async function forgetKeys(client: RedisClient, keys: readonly string[]): Promise<void> {
  const prefix = client.options.keyPrefix ?? '';
  const withRecord = keys.filter((key) => canHaveRecord(client, key));
  const without = keys.filter((key) => !canHaveRecord(client, key));
  await Promise.all([
    ...groupBySlot(client, withRecord, (key) => key, KEYS_PER_CALL).map((part) =>
      callScript(
        client,
        FORGET,
        part.flatMap((key) => [key, recordKey(key, prefix)]),
        [],
      ).catch((error: unknown) => {
        if (!isSlotMoving(error)) throw error;
        return forgetKeyByKey(client, part);
      }),
    ),
    ...without.map((key) => client.unlink(key)),
  ]);
}
