-- Reads what a publisher must know to route through one exchange.
-- KEYS: types of exchanges (hash), bindings of the exchange, Umbel's queues, readers (sorted set)    ARGV: exchange
-- Returns type, bindings, Umbel's queues, and those queues that go with their readers and have none left.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function queues(from, to)
  local names = {}
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], from, to)) do
    local ok, reader = pcall(cjson.decode, entry)
    if ok and type(reader) == 'table' and type(reader[1]) == 'string' then names[reader[1]] = true end
  end
  return names
end
local live, gone = queues(now, '+inf'), {}
for name in pairs(queues('-inf', '(' .. now)) do
  if not live[name] then gone[#gone + 1] = name end
end
return {redis.call('HGET', KEYS[1], ARGV[1]), redis.call('SMEMBERS', KEYS[2]), redis.call('SMEMBERS', KEYS[3]), gone}
