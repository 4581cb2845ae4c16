-- Forgets a chord whose body has been published or has failed, and remembers for a while that it is closed.
-- KEYS: claim, parts, growth, size, counted. ARGV: token, seconds. Returns 1 when the claim was ours.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
redis.call('SET', KEYS[1], 'done', 'EX', ARGV[2])
return 1
