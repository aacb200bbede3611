-- Reads entries of each room after a position, the oldest first. It ends early, behind the room with which the entries
-- of all rooms have so many bytes: so the answer is bounded.
-- KEYS: log and state of each room
-- ARGV: most entries of a room, most bytes of a room, most bytes of all rooms; then the position of each room
local answers, total = {}, 0
for i = 1, #KEYS, 2 do
  local was = redis.call('HMGET', KEYS[i + 1], 'e', 'n', 'p', 'f')
  local answer = { '', '', '' }
  if was[1] and was[2] then answer = { was[1] .. '-' .. was[2], was[3] or '', was[4] or '' } end
  local after = '(' .. ARGV[3 + (i + 1) / 2]
  local found, size = page('XRANGE', KEYS[i], after, '+', tonumber(ARGV[1]), tonumber(ARGV[2]))
  for _, entry in ipairs(found) do
    for _, part in ipairs(entry) do answer[#answer + 1] = part end
  end
  answers[#answers + 1], total = answer, total + size
  if total >= tonumber(ARGV[3]) then break end
end
return answers
