-- Collects entries of a stream, within limits, but at least one: the id, the head and the payload of each. Returns
-- them, and their bytes.
local function page(command, stream, from, to, entries, bytes)
  local found, size = {}, 0
  while #found < entries do
    local count = math.min(8, entries - #found)
    local chunk = redis.call(command, stream, from, to, 'COUNT', count)
    for _, entry in ipairs(chunk) do
      local head, payload = entry[2][2] or '', entry[2][4] or ''
      local more = #head + #payload + 64
      if size + more > bytes and #found > 0 then return found, size end
      size = size + more
      found[#found + 1] = { entry[1], head, payload }
      from = '(' .. entry[1]
    end
    if #chunk < count then break end
  end
  return found, size
end
