-- Hands out turns, in order, all at one time. Decides as `umbel.leases.deciding` does.
-- KEYS: for each the microsecond of its next turn, by the server's clock.
-- ARGV: for each the microseconds between two turns, those within which it must be, and those by which it may have been missed.
-- Returns for each {1 if it is booked, the microseconds until then}.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answers = {}
for number = 1, #KEYS do
  local interval, within, slack = tonumber(ARGV[3 * number - 2]), tonumber(ARGV[3 * number - 1]), tonumber(ARGV[3 * number])
  local moment = math.max(tonumber(redis.call('GET', KEYS[number]) or '') or 0, now - slack)
  if moment > now + within + interval then moment = now end -- none is ever taken so far ahead: the clock was set back, or the rate was raised
  local ahead = moment - now
  if ahead > within then
    answers[number] = {0, math.ceil(ahead - within)}
  else
    local kept = math.ceil((math.max(ahead, 0) + interval + slack) / 1000) + 1000
    redis.call('SET', KEYS[number], string.format('%.0f', moment + interval), 'PX', string.format('%.0f', kept))
    answers[number] = {1, math.max(0, math.ceil(ahead))}
  end
end
return answers
