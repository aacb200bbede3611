-- A connection of a member enters a room.
-- ARGV: … connection, member, metadata, entry if it joins: header and payload, entry when it has left, most announced
local connection, id, meta = ARGV[9], ARGV[10], ARGV[11]
local room = open()
settle()
local was = redis.call('HGET', connections, connection)
if was and was ~= id then
  depart(connection, was, 0)
  was = false
end
local is_new = not was and count(id) == 0 and not listed(id)
if not was then
  write('HSET', connections, connection, id)
  write('HINCRBY', counts, id, 1)
  write('SADD', rooms, name)
end
is_new = is_new and redis.call('HLEN', list) - unlisted < tonumber(ARGV[15])
if is_new or listed(id) then
  if is_new or redis.call('HGET', list, id) ~= meta then
    entries[#entries + 1], entries[#entries + 2] = ARGV[12], ARGV[13]
    write('HSET', list, id, meta)
  end
  is_listed[id] = true
  write('HSET', lefts, id, ARGV[14])
  write('ZREM', leaving, id)
end
local refused = finish(room)
if refused then return refused end
return { tip(room), listed(id) and 1 or 0, next_settle() }
