-- Moves delayed messages that are due to the front of their lists.
-- KEYS: per queue: delayed, then one list for each priority step    ARGV: most to move of each queue, step...
-- Returns how many were moved, and in how many seconds the next one is due ('' when there is none).
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local steps = #ARGV - 1
local moved, next_due = 0, nil
for k = 1, #KEYS, steps + 1 do
  local due = redis.call('ZRANGEBYSCORE', KEYS[k], '-inf', string.format('%.6f', now), 'LIMIT', 0, ARGV[1])
  for i = #due, 1, -1 do
    local step, envelope = string.match(due[i], '^(%d+) (.*)$')
    local list = KEYS[k + 1]
    envelope = envelope or due[i]  -- not ours, and no message: whoever consumes it dead-letters it
    for s = 1, steps do
      if ARGV[s + 1] == step then list = KEYS[k + s] end
    end
    redis.call('RPUSH', list, envelope)
    redis.call('ZREM', KEYS[k], due[i])
  end
  moved = moved + #due
  local first = redis.call('ZRANGE', KEYS[k], 0, 0, 'WITHSCORES')
  if first[2] then
    local left = tonumber(first[2]) - now
    if not next_due or left < next_due then next_due = left end
  end
end
return {moved, next_due and string.format('%.6f', next_due) or ''}
