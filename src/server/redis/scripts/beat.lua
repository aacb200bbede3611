-- Renews the lease of a server, and looks for others whose lease has ended.
-- KEYS: servers, by the end of their lease; rooms of this server
-- ARGV: this server, milliseconds of the lease, 1 to look, seconds of the keys, beginning of the keys with rooms
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local lease = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]))
-- The first write decides whether Redis refuses a script at its limit of memory. This one takes none: so a lease does
-- not end there.
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[4])
local answer = { lease and lease > now and 1 or 0 }
if ARGV[3] == '1' then
  local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, 8)
  for _, server in ipairs(dead) do
    if redis.call('EXISTS', ARGV[5] .. server) == 1 then
      answer[#answer + 1] = server
    else
      redis.call('ZREM', KEYS[1], server)
    end
  end
end
return answer
