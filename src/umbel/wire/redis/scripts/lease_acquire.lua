-- Asks for leases, in order, all at one time. Decides as `umbel.leases.deciding` does.
-- KEYS: for each a hash: owner → "the millisecond at which its lease ends:the milliseconds for which it was asked for", by the server's clock.
-- ARGV: for each its owner, milliseconds, the most owners, 1 to take it from all others.
-- Returns for each {1 if it is held now, another owner whose lease ends first, the milliseconds until then}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers = {}
for number = 1, #KEYS do
  local key, owner = KEYS[number], ARGV[4 * number - 3]
  local length, most, takes_over = tonumber(ARGV[4 * number - 2]), tonumber(ARGV[4 * number - 1]), ARGV[4 * number] == '1'
  local found = redis.call('HGETALL', key)
  local others, mine, first, soonest, latest = 0, false, '', 0, now + length
  -- With its memory full, Redis refuses a script's first write if that may take memory; what follows a write it lets pass.
  redis.call('HDEL', key, '')
  for i = 1, #found, 2 do
    local ends, asked = string.match(found[i + 1], '^(%d+):(%d+)$')
    ends, asked = tonumber(ends), tonumber(asked)
    if not ends or ends <= now then
      redis.call('HDEL', key, found[i])
    else
      if ends > now + asked then -- the clock was set back
        ends = now + asked
        redis.call('HSET', key, found[i], string.format('%.0f:%.0f', ends, asked))
      end
      if found[i] == owner then
        mine = true
      else
        others = others + 1
        if first == '' or ends < soonest then first, soonest = found[i], ends end
        if ends > latest and not takes_over then latest = ends end
      end
    end
  end
  local held = mine or others < most or takes_over
  if held then
    if takes_over then redis.call('DEL', key) end
    redis.call('HSET', key, owner, string.format('%.0f:%.0f', now + length, length))
    redis.call('PEXPIRE', key, latest - now)
  end
  answers[number] = {held and 1 or 0, first, first == '' and 0 or soonest - now}
end
return answers
