-- Reads a page of the list of members.
-- KEYS: state, counts, list, leaving; ARGV: cursor
local was = redis.call('HMGET', KEYS[1], 'e', 'n')
local at = was[1] and was[2] and was[1] .. '-' .. was[2] or ''
local found = redis.call('HSCAN', KEYS[3], ARGV[1], 'COUNT', 100)
local listed = redis.call('HLEN', KEYS[3]) - redis.call('ZCARD', KEYS[4])
local answer = { at, math.max(0, redis.call('HLEN', KEYS[2]) - listed), found[1] }
for _, part in ipairs(found[2]) do answer[#answer + 1] = part end
return answer
