-- Moves delayed messages of one queue to the end of their lists, whether they are due or not.
-- KEYS: delayed, then one list for each priority step    ARGV: most to move, step...
-- Returns how many were moved.
local found = redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)
for i = 1, #found do
  local step, envelope = string.match(found[i], '^(%d+) (.*)$')
  local list = KEYS[2]
  for s = 2, #ARGV do
    if ARGV[s] == step then list = KEYS[s] end
  end
  redis.call('LPUSH', list, envelope or found[i])
  redis.call('ZREM', KEYS[1], found[i])
end
return #found
