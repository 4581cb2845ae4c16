-- Moves an entry that is still ours from `unacked` to the delayed messages of its queue.
-- KEYS: unacked, unacked_index, delayed    ARGV: tag, due (seconds since the epoch), priority step and envelope
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[3])
return 1
