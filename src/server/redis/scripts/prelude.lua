-- The beginning of every script that can write to a room's log.
-- KEYS: log, state
-- ARGV: channel, life of the server, most entries, most bytes, seconds of the log, seconds of the state,
--       most bytes of a notification's payloads
local log, state = KEYS[1], KEYS[2]
local channel, life = ARGV[1], ARGV[2]
local most, most_bytes = tonumber(ARGV[3]), tonumber(ARGV[4])
local log_seconds, state_seconds, inline = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

-- What an entry takes beside its header and its payload.
local ENTRY = 64

-- Lua writes 14 digits otherwise, and epochs have 16.
local function plain(number)
  return string.format('%.0f', number)
end

-- Reads a number that a script has written. Numbers are exact up to 2^53 only: another program has written a larger one.
local function whole(text)
  local number = tonumber(text)
  if number and number >= 0 and number < 2 ^ 52 and number % 1 == 0 then return number end
end

local time = redis.call('TIME')
local seconds = tonumber(time[1])
local now = seconds * 1000 + math.floor(tonumber(time[2]) / 1000)

-- Reads the state. Another life of the server begins another epoch: numbers that the server has forgotten are not
-- given again. Nothing is written.
-- e: epoch; n: newest number; p: newest position of the epoch before; b: bytes of all entries ever; s: those before
-- the oldest entry; l: life; x: when the keys were given their time; f: the position up to which all servers forget
-- (forget.lua)
local function open()
  local was = redis.call('HMGET', state, 'e', 'n', 'p', 'b', 's', 'l', 'x')
  local epoch, number = whole(was[1]), whole(was[2])
  local room = {
    p = was[3] or '',
    b = whole(was[4]) or 0,
    s = whole(was[5]) or 0,
    x = whole(was[7]) or 0,
    is_known = epoch and number,
  }
  if room.is_known and was[6] == life then
    room.e, room.n = plain(epoch), number
    return room
  end
  local fresh = seconds * 1000000 + tonumber(time[2])
  room.p = ''
  if room.is_known then
    room.p = plain(epoch) .. '-' .. plain(number)
    fresh = math.max(fresh, epoch + 1)
  end
  room.e, room.n, room.is_new = plain(fresh), 0, true
  return room
end

local function tip(room)
  return room.e .. '-' .. plain(room.n)
end

-- Returns the error, if there is one. Only the first write of a script can fail: so it goes through here.
local function attempt(...)
  local done = redis.pcall(...)
  if type(done) == 'table' and done.err then return done end
end

-- Removes the oldest entries beyond the limits: an eighth at a time, since each removal costs more than an entry.
-- Each entry says how many bytes came before it, so that no other need be read.
local function trim(room, length)
  local held = room.b - room.s
  while length > 1 and (length > most + most / 8 or held > most_bytes + most_bytes / 8) do
    local keep = math.min(most, math.floor(length * most_bytes / math.max(held, 1)), length - 1)
    redis.call('XTRIM', log, 'MAXLEN', '=', math.max(keep, 1))
    length = redis.call('XLEN', log)
    local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
    room.s = oldest and tonumber(string.match(oldest[2][2], '^%S+ (%d+) ')) or room.b
    held = room.b - room.s
  end
end

-- Writes the state, and the time after which the keys are removed: not at each write, since it costs as much as
-- an entry.
local function save(room, is_first)
  local is_due = is_first or room.is_new or room.x > seconds
    or room.x + math.min(log_seconds, state_seconds) / 8 <= seconds
  if is_due then room.x = seconds end
  local refused = attempt('HSET', state, 'e', room.e, 'n', plain(room.n), 'p', room.p, 'b', plain(room.b),
    's', plain(room.s), 'l', life, 'x', plain(room.x))
  if refused then return refused end
  if is_due then
    redis.call('EXPIRE', log, log_seconds)
    redis.call('EXPIRE', state, state_seconds)
  end
end

-- Appends entries: a header and a payload for each. Returns the error of Redis, if there is one: nothing is written
-- then. All other writes of a script come after this one. Without entries, a new epoch is stored: else the next
-- script would begin another one.
local function append(room, entries)
  local count = #entries / 2
  if count == 0 and not room.is_new then return end
  -- Without the state, the bytes of the log are not known.
  if not room.is_known and redis.call('EXISTS', log) == 1 then redis.call('DEL', log) end
  local bytes = room.b
  local ms = plain(now)
  local parts, size = {}, 0
  for i = 1, #entries, 2 do
    local payload = entries[i + 1]
    local id = room.e .. '-' .. plain(room.n + 1)
    local before = room.n == 0 and room.p ~= '' and room.p or '-'
    local head = before .. ' ' .. plain(room.b) .. ' ' .. ms .. '\n' .. entries[i]
    if i == 1 then
      local refused = attempt('XADD', log, id, 'h', head, 'm', payload)
      if refused and string.find(refused.err, 'equal or smaller', 1, true) then
        -- The log is of a later time: the clock was set back, and the state is lost.
        redis.call('DEL', log)
        refused = attempt('XADD', log, id, 'h', head, 'm', payload)
      end
      if refused then return refused end
    else
      redis.call('XADD', log, id, 'h', head, 'm', payload)
    end
    room.n = room.n + 1
    room.b = room.b + #entries[i] + #payload + ENTRY
    local record = id .. ' ' .. #head .. ' '
    if #payload <= inline then
      record = record .. #payload .. '\n' .. head .. payload
    else
      record = record .. '-\n' .. head
    end
    if size > 0 and size + #record > inline then
      redis.call('PUBLISH', channel, table.concat(parts))
      parts, size = {}, 0
    end
    parts[#parts + 1], size = record, size + #record
  end
  if size > 0 then redis.call('PUBLISH', channel, table.concat(parts)) end
  local length = count > 0 and redis.call('XLEN', log) or 0
  local is_first = count > 0 and length == count
  if is_first then room.s = bytes end
  trim(room, length)
  return save(room, is_first)
end
