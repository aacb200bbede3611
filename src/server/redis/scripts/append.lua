-- Stores a batch of one server's entries, each once.
-- KEYS: … writer (the newest entry of this server: its counter, a space, its position)
-- ARGV: … counter of the first entry; then for each: header, payload
local writer = KEYS[3]
local room = open()
local was = redis.call('GET', writer)
local earlier, earlier_at = string.match(was or '', '^(%d+) (%d+%-%d+)$')
local stored = tonumber(earlier) or 0
local counter = tonumber(ARGV[8])
local entries = {}
for i = 9, #ARGV, 2 do
  if counter > stored then
    entries[#entries + 1], entries[#entries + 2] = ARGV[i], ARGV[i + 1]
  end
  counter = counter + 1
end
local refused = append(room, entries)
if refused then return refused end
if #entries > 0 then
  stored = counter - 1
  redis.call('SET', writer, plain(stored) .. ' ' .. tip(room), 'EX', state_seconds)
end
return { earlier or '', earlier_at or '', #entries / 2, plain(stored), tip(room) }
