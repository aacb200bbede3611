-- Removes the entries of a room up to a position, those of earlier epochs too, and notifies all servers. The epoch and
-- the numbers stay. Redis removes entries also if it has no memory left: so this comes first.
-- KEYS: log, state
-- ARGV: channel, epoch, number
local log, state = KEYS[1], KEYS[2]
local was = redis.call('HMGET', state, 'e', 'n', 'b', 'f')
local newest_epoch, newest = tonumber(was[1]), tonumber(was[2])
local epoch, number = tonumber(ARGV[2]), tonumber(ARGV[3])
-- The room is not known, or the position is of an epoch that it has not reached.
if not newest_epoch or not newest or epoch > newest_epoch then return '' end
-- Lua counts up to 2^53.
number = math.min(number, epoch == newest_epoch and newest or 9007199254740990)
local function position(n)
  return ARGV[2] .. '-' .. string.format('%.0f', n)
end
redis.call('XTRIM', log, 'MINID', '=', position(number + 1))
local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local bytes = oldest and string.match(oldest[2][2], '^%S+ (%d+) ') or was[3] or '0'
redis.call('HSET', state, 's', bytes)
local old_epoch, old = string.match(was[4] or '', '^(%d+)-(%d+)$')
old_epoch, old = tonumber(old_epoch), tonumber(old)
if not old or epoch > old_epoch or epoch == old_epoch and number > old then
  redis.call('HSET', state, 'f', position(number))
end
redis.call('PUBLISH', ARGV[1], 'forget ' .. position(number) .. '\n')
return position(number)
