-- Forgets a reply inbox and what has come to it.
-- KEYS: inboxes (sorted set), bindings of the exchange, kombu's deadlines of exchanges, lists...    ARGV: entry, binding, exchange
redis.call('ZREM', KEYS[1], ARGV[1])
for i = 4, #KEYS do
  redis.call('DEL', KEYS[i])
end
if ARGV[2] ~= '' then
  redis.call('SREM', KEYS[2], ARGV[2])
  if redis.call('SCARD', KEYS[2]) == 0 then
    redis.call('ZREM', KEYS[3], ARGV[3])
  end
end
return 1
