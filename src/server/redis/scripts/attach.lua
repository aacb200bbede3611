-- Returns the newest position of each room and its newest entries, the oldest first. It ends early, behind the room
-- with which the entries of all rooms have so many bytes: so the answer is bounded.
-- KEYS: log and state of each room
-- ARGV: … most entries of a room, most bytes of a room, most bytes of all rooms
local answers, total = {}, 0
for i = 1, #KEYS, 2 do
  log, state = KEYS[i], KEYS[i + 1]
  local room = open()
  local found, size = {}, 0
  if room.is_known then
    -- Of another life of the server, perhaps: the next entry begins another epoch, and says what it follows.
    found, size = page('XREVRANGE', log, '+', '-', tonumber(ARGV[8]), tonumber(ARGV[9]))
  else
    local refused = append(room, {})
    if refused then return refused end
  end
  local was = redis.call('HMGET', state, 'e', 'n', 'p', 'f')
  local answer = { was[1] .. '-' .. was[2], was[3] or '', was[4] or '' }
  for place = #found, 1, -1 do
    for _, part in ipairs(found[place]) do answer[#answer + 1] = part end
  end
  answers[#answers + 1], total = answer, total + size
  if total >= tonumber(ARGV[10]) then break end
end
return answers
