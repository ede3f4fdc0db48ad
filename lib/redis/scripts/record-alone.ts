import { RECORD_LUA } from './record';
import { defineScript } from './script';

/**
 * KEYS: record; ARGV: version, digits of a version that are its epoch, lifetime of the record. Returns 1 where the
 * version stands there now, so that the key may go, and 0 where something newer was done to it. It may run twice. See
 * the script of versioned writes for versions of two epochs.
 */
export const raiseVersion = defineScript(`${RECORD_LUA}
local version, epoch = ARGV[1], tonumber(ARGV[2])
local last = versionOf(redis.call('GET', KEYS[1]))
if last > version then
  if string.sub(last, 1, epoch) == string.sub(version, 1, epoch) then return 0 end
  version = last
end
redis.call('SET', KEYS[1], version, 'EX', ARGV[3])
return 1
`);

/** KEYS: record. Ends its lease and keeps its version. Returns nothing. It may run twice. */
export const endLease = defineScript(`${RECORD_LUA}
local record = redis.call('GET', KEYS[1])
local version = versionOf(record)
if version == '' then
  redis.call('UNLINK', KEYS[1])
elseif version ~= record then
  redis.call('SET', KEYS[1], version, 'PX', lifetimeOf(KEYS[1]))
end
`);
