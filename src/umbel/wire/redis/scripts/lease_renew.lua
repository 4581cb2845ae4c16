-- Holds leases on that have not ended; none ends sooner than before.
-- KEYS: for each its hash (see lease_acquire.lua).    ARGV: for each its owner, milliseconds.
-- Returns for each 1 if its owner still had it.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers = {}
for number = 1, #KEYS do
  local key, owner, length = KEYS[number], ARGV[2 * number - 1], tonumber(ARGV[2 * number])
  local ends, asked = string.match(redis.call('HGET', key, owner) or '', '^(%d+):(%d+)$')
  ends, asked = tonumber(ends), tonumber(asked)
  answers[number] = 0
  if ends and ends > now then
    answers[number] = 1
    if math.min(ends, now + asked) < now + length then
      redis.call('HDEL', key, '')
      redis.call('HSET', key, owner, string.format('%.0f:%.0f', now + length, length))
      if redis.call('PTTL', key) < length then redis.call('PEXPIRE', key, length) end
    end
  end
end
return answers
