import { RECORD_LUA } from './record';
import { defineScript } from './script';

/** What became of a key for which a lease was asked: a value is there, the lease is ours, somebody else has it, or an error. */
export const FOUND = 1;
export const LEASED = 2;
const HELD = 3;
export const REFUSED = 4;

/**
 * KEYS: key, record, key, record…; ARGV: token, milliseconds of the lease, then for each key what is known of its value:
 * '' nothing, '*' that it must not be served, '=' and a record that it must not be served while that one stands beside
 * it. Returns for each key its state, value and record. It may run twice: our own lease is given to us again.
 */
export const takeLeases = defineScript(`${RECORD_LUA}
local token, millis, time = ARGV[1], tonumber(ARGV[2]), redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local replies = {}
for i = 1, #KEYS / 2 do
  local record = KEYS[2 * i]
  local value, known, way = redis.pcall('GET', KEYS[2 * i - 1]), redis.call('GET', record) or '', ARGV[2 + i]
  local state = ${LEASED}
  if type(value) == 'table' then
    state, value = ${REFUSED}, value.err
  elseif value and (way == '' or (way ~= '*' and way ~= '=' .. known)) then
    state = ${FOUND}
  else
    value = ''
    local ends, holder = leaseOf(known)
    -- Our own one is asked for again where a client lost the answer with its connection.
    if ends and ends > now and holder ~= token then
      state = ${HELD}
    else
      local version = versionOf(known)
      local lifetime = version == '' and millis or math.max(millis, lifetimeOf(record))
      local lease = string.format('~%013.0f', now + millis) .. token
      redis.call('SET', record, version .. lease, 'PX', lifetime)
    end
  end
  replies[#replies + 1] = state
  replies[#replies + 1] = value
  replies[#replies + 1] = known
end
return replies
`);

/**
 * KEYS: key, record, key, record…; ARGV: token, then for each key what to do (fill, release), the value, its
 * milliseconds to live or '' for ever, and the generations of its tags or ''. Returns for each key 1 where the lease was
 * still there, 0 where it was not and nothing was done, or the error that kept the value out. Run twice it does nothing more: the lease is gone.
 */
export const useLeases = defineScript(`${RECORD_LUA}
local replies = {}
for i = 1, #KEYS / 2 do
  local key, record, at = KEYS[2 * i - 1], KEYS[2 * i], 2 + 4 * (i - 1)
  local way, value, ttl, generations = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local known = redis.call('GET', record)
  local _, token = leaseOf(known)
  local reply = token == ARGV[1] and 1 or 0
  if reply == 1 then
    local version = versionOf(known)
    local lifetime = version == '' and 0 or lifetimeOf(record)
    local done = true
    if way == 'fill' then
      if ttl == '' then
        done = redis.pcall('SET', key, value)
      else
        done = redis.pcall('SET', key, value, 'PX', ttl)
      end
    end
    if type(done) == 'table' and done.err then reply = done.err end
    if way == 'fill' and reply == 1 and generations ~= '' then
      -- A version would be lost with the record of a value that stays for ever: it is kept as long as that.
      local text = version .. '#' .. generations
      if ttl == '' then
        redis.call('SET', record, text)
      else
        redis.call('SET', record, text, 'PX', math.max(lifetime, tonumber(ttl)))
      end
    elseif version == '' then
      redis.call('UNLINK', record)
    else
      redis.call('SET', record, version, 'PX', lifetime)
    end
  end
  replies[i] = reply
end
return replies
`);

/** KEYS: tag…; ARGV: a new generation, seconds to live. Returns the generation of each tag, made where there is none. */
export const readGenerations = defineScript(`
local generations = {}
for i, tag in ipairs(KEYS) do
  local generation = redis.call('GET', tag)
  if generation then
    redis.call('EXPIRE', tag, ARGV[2])
  else
    generation = ARGV[1]
    redis.call('SET', tag, generation, 'EX', ARGV[2])
  end
  generations[i] = generation
end
return generations
`);
