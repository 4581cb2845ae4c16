-- Moves entries that are still ours from `unacked` to the delayed messages of their queue.
-- KEYS: unacked, unacked_index, delayed
-- ARGV: what follows the envelope in each entry, then per entry: tag, due (seconds since the epoch), priority step
-- Returns how many were still ours.
-- The envelopes are taken from the entries: to send them here again would cost more than all the rest.
-- Redis does not undo what a failing script has done, so each is in its new place before it leaves the old one.
local tail = #ARGV[1] + 1
local tags, members = {}, {}
for i = 2, #ARGV, 3 do
  local entry = redis.call('HGET', KEYS[1], ARGV[i])
  if entry then
    tags[#tags + 1] = ARGV[i]
    members[#members + 1] = ARGV[i + 1]
    members[#members + 1] = ARGV[i + 2] .. ' ' .. string.sub(entry, 2, -tail)
  end
end
for i = 1, #tags, 500 do
  local last = math.min(i + 499, #tags)
  redis.call('ZADD', KEYS[3], unpack(members, 2 * i - 1, 2 * last))
  redis.call('HDEL', KEYS[1], unpack(tags, i, last))
  redis.call('ZREM', KEYS[2], unpack(tags, i, last))
end
return #tags
