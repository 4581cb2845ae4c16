-- Lists entries of `unacked` whose holder has not renewed them for long enough.
-- KEYS: unacked, unacked_index
-- ARGV: seconds for our own tags, seconds for others', prefix of our own tags, most entries to return.
-- Returns tag, score, entry, ... and removes tags that have no entry.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local own, foreign = tonumber(ARGV[1]), tonumber(ARGV[2])
local most = tonumber(ARGV[4])
local prefix = ARGV[3]
local found, at = {}, 0
while #found < most * 3 do
  local page = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.6f', now - own), 'WITHSCORES', 'LIMIT', at, 500)
  for i = 1, #page, 2 do
    local tag, score = page[i], page[i + 1]
    local age = now - tonumber(score)
    local lease = foreign
    if string.sub(tag, 1, #prefix) == prefix then
      local milliseconds = string.match(tag, '^(%d+)%-', #prefix + 1)
      lease = math.max(own, tonumber(milliseconds or '0') / 1000)
    end
    if age > lease and #found < most * 3 then
      local entry = redis.call('HGET', KEYS[1], tag)
      if entry then
        found[#found + 1] = tag
        found[#found + 1] = score
        found[#found + 1] = entry
      else
        redis.call('ZREM', KEYS[2], tag)
      end
    end
  end
  if #page < 1000 then break end
  at = at + 500
end
return found
