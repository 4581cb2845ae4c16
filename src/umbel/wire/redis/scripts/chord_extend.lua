-- Holds a claim on a chord's body longer; takes it again when it has ended and nobody else has taken it.
-- KEYS: claim, size. ARGV: token, seconds. Returns 1 when the claim is ours.
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] or (not held and redis.call('EXISTS', KEYS[2]) == 1) then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
  return 1
end
return 0
