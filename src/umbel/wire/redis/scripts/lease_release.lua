-- Gives leases up.
-- KEYS: for each its hash (see lease_acquire.lua).    ARGV: for each its owner.
-- Returns for each 1 if its owner still had it.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers = {}
for number = 1, #KEYS do
  local ends = string.match(redis.call('HGET', KEYS[number], ARGV[number]) or '', '^(%d+):')
  answers[number] = 0
  if ends then
    redis.call('HDEL', KEYS[number], ARGV[number])
    if tonumber(ends) > now then answers[number] = 1 end
  end
end
return answers
