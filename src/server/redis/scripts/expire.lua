-- Up to 100 connections of a server whose lease has ended leave a room.
-- KEYS: … servers; ARGV: … that server, milliseconds of the grace period
local room = open()
settle()
local lease = tonumber(redis.call('ZSCORE', KEYS[9], ARGV[9]))
local removed, is_dead = 0, not lease or lease <= now
if is_dead then
  local some = redis.call('HRANDFIELD', connections, 100, 'WITHVALUES')
  for i = 1, #some, 2 do
    depart(some[i], some[i + 1], tonumber(ARGV[10]))
    removed = removed + 1
  end
end
local refused = finish(room)
if refused then return refused end
return { tip(room), removed, is_dead and release() or 0, next_settle() }
