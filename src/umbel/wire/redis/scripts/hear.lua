-- Puts what came over a channel into the list of a queue, once, however many readers of the queue heard it.
-- KEYS: list, mark of the message    ARGV: envelope, seconds for which the mark stays
if redis.call('SET', KEYS[2], '1', 'NX', 'EX', ARGV[2]) then redis.call('LPUSH', KEYS[1], ARGV[1]) end
return 1
