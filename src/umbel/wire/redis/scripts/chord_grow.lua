-- Lets a chord expect one more member, once however often it is told.
-- KEYS: growth (Celery's), added (ours). ARGV: task id, seconds to keep (0: for ever).
if redis.call('SADD', KEYS[2], ARGV[1]) == 1 then
  redis.call('INCR', KEYS[1])
end
if ARGV[2] ~= '0' then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
  redis.call('EXPIRE', KEYS[2], ARGV[2])
end
