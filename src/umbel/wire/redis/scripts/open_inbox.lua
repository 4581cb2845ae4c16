-- Makes a reply inbox known, or keeps it known, and removes those whose clients died.
-- KEYS: inboxes (sorted set), bindings of the exchange, kombu's deadlines of exchanges
-- ARGV: entry of the inbox ([list, bindings, binding] as JSON), milliseconds until it is forgotten, binding ('' for the default exchange),
--       exchange, milliseconds until kombu may sweep the bindings
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now, 'LIMIT', 0, 100)) do
  local ok, dead = pcall(cjson.decode, entry)
  if ok then
    redis.call('DEL', dead[1])
    if dead[3] ~= '' then
      redis.call('SREM', dead[2], dead[3])
    end
  end
  redis.call('ZREM', KEYS[1], entry)
end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
if ARGV[3] ~= '' then
  redis.call('SADD', KEYS[2], ARGV[3])
  redis.call('ZADD', KEYS[3], 'GT', now + ARGV[5], ARGV[4])
end
return 1
