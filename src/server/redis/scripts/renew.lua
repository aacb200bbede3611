-- Keeps the position and the members of a room for another while. Returns the number of the server's connections.
-- KEYS: connections of the server, and the others; ARGV: seconds
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[1]) end
return redis.call('HLEN', KEYS[1])
