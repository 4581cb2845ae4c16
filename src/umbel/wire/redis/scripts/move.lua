-- Moves entries that are still ours from `unacked` to lists.
-- KEYS: unacked, unacked_index, list...    ARGV: RPUSH or LPUSH, then per entry: tag, number of its list, envelope
-- Returns how many were still ours.
local moved = 0
for i = 2, #ARGV, 3 do
  if redis.call('HDEL', KEYS[1], ARGV[i]) == 1 then
    redis.call('ZREM', KEYS[2], ARGV[i])
    redis.call(ARGV[1], KEYS[2 + tonumber(ARGV[i + 1])], ARGV[i + 2])
    moved = moved + 1
  end
end
return moved
