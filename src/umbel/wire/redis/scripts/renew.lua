-- Renews leases: the score of a tag is the server's time at which it was last renewed.
-- KEYS: unacked_index    ARGV: tag...
-- Returns the tags that are gone.
local time = redis.call('TIME')
local now = string.format('%d.%06d', time[1], time[2])
-- With its memory full, Redis refuses a script's first write if that may take memory, as ZADD may; what follows a write it lets pass.
redis.call('ZREM', KEYS[1], '')
local gone = {}
for first = 1, #ARGV, 1000 do
  local last = math.min(first + 999, #ARGV)
  local scores = {}
  for i = first, last do
    scores[#scores + 1] = now
    scores[#scores + 1] = ARGV[i]
  end
  local changed = redis.call('ZADD', KEYS[1], 'XX', 'CH', unpack(scores))
  if changed < last - first + 1 then
    for i = first, last do
      if not redis.call('ZSCORE', KEYS[1], ARGV[i]) then gone[#gone + 1] = ARGV[i] end
    end
  end
end
return gone
