-- Reads entries after a position, the oldest first.
-- KEYS: log, state; ARGV: position, most entries, most bytes
local was = redis.call('HMGET', KEYS[2], 'e', 'n', 'p')
local answer = { '', '' }
if was[1] and was[2] then answer = { was[1] .. '-' .. was[2], was[3] or '' } end
for _, entry in ipairs(page('XRANGE', KEYS[1], '(' .. ARGV[1], '+', tonumber(ARGV[2]), tonumber(ARGV[3]))) do
  for _, part in ipairs(entry) do answer[#answer + 1] = part end
end
return answer
