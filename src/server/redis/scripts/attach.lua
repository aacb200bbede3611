-- Returns the newest position of a room and its newest entries, the oldest first.
-- ARGV: … most entries, most bytes
local room = open()
local found = {}
if room.is_known then
  -- Of another life of the server, perhaps: the next entry begins another epoch, and says what it follows.
  found = page('XREVRANGE', log, '+', '-', tonumber(ARGV[8]), tonumber(ARGV[9]))
else
  local refused = append(room, {})
  if refused then return refused end
end
local was = redis.call('HMGET', state, 'e', 'n', 'p')
local answer = { was[1] .. '-' .. was[2], was[3] or '' }
for i = #found, 1, -1 do
  for _, part in ipairs(found[i]) do answer[#answer + 1] = part end
end
return answer
