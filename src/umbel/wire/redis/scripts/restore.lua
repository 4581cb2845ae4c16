-- Puts an expired entry back to the front of its list, unless its holder has renewed it meanwhile.
-- KEYS: unacked, unacked_index, list...    ARGV: tag, the score that was seen, envelope
if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
for k = 3, #KEYS do redis.call('RPUSH', KEYS[k], ARGV[3]) end
return 1
