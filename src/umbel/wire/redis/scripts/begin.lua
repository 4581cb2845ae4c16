-- Replaces the envelope of an entry that is still ours.
-- KEYS: unacked    ARGV: tag, entry
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
