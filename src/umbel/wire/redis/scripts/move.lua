-- Moves entries that are still ours from `unacked` to lists.
-- KEYS: unacked, unacked_index, list...    ARGV: RPUSH or LPUSH, then per entry: tag, number of its list, envelope
-- Returns how many were still ours.
-- Redis does not undo what a failing script has done, so each is in its new place before it leaves the old one.
local moved = 0
for i = 2, #ARGV, 3 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then
    redis.call(ARGV[1], KEYS[2 + tonumber(ARGV[i + 1])], ARGV[i + 2])
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('ZREM', KEYS[2], ARGV[i])
    moved = moved + 1
  end
end
return moved
