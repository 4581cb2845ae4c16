-- Puts an expired entry back to the front of its list, unless its holder has renewed it meanwhile.
-- KEYS: unacked, unacked_index, list...    ARGV: tag, the score that was seen, envelope
if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return 0
end
-- Redis does not undo what a failing script has done, so it is in its new place before it leaves the old one.
for k = 3, #KEYS do redis.call('RPUSH', KEYS[k], ARGV[3]) end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
