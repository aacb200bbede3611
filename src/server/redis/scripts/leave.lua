-- A connection leaves a room.
-- ARGV: … connection, milliseconds of the grace period
local room = open()
settle()
local id = redis.call('HGET', connections, ARGV[9])
if id then depart(ARGV[9], id, tonumber(ARGV[10])) end
local refused = finish(room)
if refused then return refused end
return { tip(room), id and 1 or 0, release(), next_settle() }
