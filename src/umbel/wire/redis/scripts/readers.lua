-- Says that readers of queues are alive, and removes the queues whose last reader is dead or goes.
-- KEYS: readers (sorted set), Umbel's queues
-- ARGV: milliseconds for which they count as alive (0: they go), most dead ones to look at, then their entries:
--       [queue, reader, [list...], [[set of bindings, binding]...]] as JSON
-- Returns the names of the queues that were removed.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local deadline = tonumber(ARGV[1]) == 0 and 0 or now + ARGV[1]
-- With its memory full, Redis refuses a script's first write if that may take memory, as ZADD may; what follows a write it lets pass.
redis.call('ZREM', KEYS[1], '')
for i = 3, #ARGV do redis.call('ZADD', KEYS[1], deadline, ARGV[i]) end
local removed = {}
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now, 'LIMIT', 0, ARGV[2])
if #dead == 0 then return removed end
local function read(entry)
  local ok, reader = pcall(cjson.decode, entry)
  if ok and type(reader) == 'table' and type(reader[1]) == 'string' and type(reader[3]) == 'table' and type(reader[4]) == 'table' then
    return reader
  end
end
for _, entry in ipairs(dead) do redis.call('ZREM', KEYS[1], entry) end
local alive = {}
for _, entry in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local reader = read(entry)
  if reader then alive[reader[1]] = true end
end
for _, entry in ipairs(dead) do
  local reader = read(entry)
  if reader and not alive[reader[1]] then
    for _, key in ipairs(reader[3]) do redis.call('DEL', key) end
    for _, bound in ipairs(reader[4]) do redis.call('SREM', bound[1], bound[2]) end
    redis.call('SREM', KEYS[2], reader[1])
    removed[#removed + 1] = reader[1]
  end
end
return removed
