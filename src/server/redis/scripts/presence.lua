-- The beginning of every script that changes the members of a room. First it decides on all changes, then it
-- appends the entries about them, and then it writes the changes: a server that refuses an entry changes nothing.
-- KEYS: … counts, list, lefts, leaving, connections of one server, rooms of that server
-- ARGV: … the room's name
local counts, list, lefts, leaving, connections, rooms = KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local name = ARGV[8]
local entries, writes = {}, {}
-- What is decided, but not written: the members' connections, and whether they are announced.
local count_of, is_listed = {}, {}
-- The announced members that are removed.
local unlisted = 0

local function write(...)
  writes[#writes + 1] = { ... }
end

local function count(id)
  if not count_of[id] then count_of[id] = tonumber(redis.call('HGET', counts, id)) or 0 end
  return count_of[id]
end

local function listed(id)
  if is_listed[id] == nil then is_listed[id] = redis.call('HEXISTS', list, id) == 1 end
  return is_listed[id]
end

-- An announced member has left: the entry was stored when it joined, behind the length of its header.
local function left(id)
  local stored = redis.call('HGET', lefts, id) or ''
  local length, from = string.match(stored, '^(%d+)\n()')
  if length then
    local middle = from + tonumber(length)
    entries[#entries + 1] = string.sub(stored, from, middle - 1)
    entries[#entries + 1] = string.sub(stored, middle)
  end
  is_listed[id] = false
  unlisted = unlisted + 1
  write('HDEL', list, id)
  write('HDEL', lefts, id)
end

-- Members whose grace period is over have left: each once, whichever script comes first.
local function settle()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', leaving, '-inf', plain(now), 'LIMIT', 0, 100)) do
    left(id)
    write('ZREM', leaving, id)
  end
end

-- A connection has left. A member that was not announced leaves without an entry.
local function depart(connection, id, grace)
  write('HDEL', connections, connection)
  count_of[id] = count(id) - 1
  if count_of[id] > 0 then
    write('HINCRBY', counts, id, -1)
    return
  end
  write('HDEL', counts, id)
  if not listed(id) then return end
  if grace > 0 then
    write('ZADD', leaving, plain(now + grace), id)
  else
    left(id)
  end
end

-- Appends the entries, and writes the changes. Returns the error of Redis, if there is one.
local function finish(room)
  local refused = append(room, entries)
  if refused or #writes == 0 then return refused end
  refused = attempt(unpack(writes[1]))
  if refused then return refused end
  for i = 2, #writes do redis.call(unpack(writes[i])) end
  for i = 3, 8 do redis.call('EXPIRE', KEYS[i], state_seconds) end
end

-- The milliseconds until the next grace period ends; -1 if there is none.
local function next_settle()
  local first = redis.call('ZRANGE', leaving, 0, 0, 'WITHSCORES')
  return first[2] and math.max(0, tonumber(first[2]) - now) or -1
end

-- Removes the room from those of the server if none of its connections is left there. Returns their number.
local function release()
  local rest = redis.call('HLEN', connections)
  if rest == 0 then redis.call('SREM', rooms, name) end
  return rest
end
