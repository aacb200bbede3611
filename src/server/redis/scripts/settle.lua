-- Members whose grace period is over have left a room.
local room = open()
settle()
local refused = finish(room)
if refused then return refused end
return { tip(room), 0, redis.call('HLEN', connections), next_settle() }
