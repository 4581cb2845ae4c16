-- Counts the end of one member of a chord, once however often it is told, and gives the claim on the body to the one that makes the header complete.
-- KEYS: parts, growth, size, counted, header, claim.
-- ARGV: task id, part, '1' when parts are sorted by index, index, seconds to keep (0: for ever), seconds of a claim, token of the claim.
-- Returns {'claimed', header or false, part...}, {'busy', milliseconds of another's claim}, or {} when there is nothing to do.
local parts, growth, size, counted, header, claim = unpack(KEYS)
local held = redis.call('GET', claim)
if held == 'done' then
  return {}
end
local member = ARGV[1] .. ':' .. ARGV[4]
if redis.call('SISMEMBER', counted, member) == 0 then
  if ARGV[3] == '1' then
    redis.call('ZADD', parts, ARGV[4], ARGV[2])
  else
    redis.call('RPUSH', parts, ARGV[2])
  end
  -- Redis does not undo what a failing script has done: a member is told to be counted once its part is there.
  redis.call('SADD', counted, member)
end
if ARGV[5] ~= '0' then
  for _, key in ipairs(KEYS) do
    if key ~= claim then
      redis.call('EXPIRE', key, ARGV[5])
    end
  end
end
local expected = redis.call('GET', size)
if not expected then
  return {}
end
-- The parts are counted, not the set beside them, which Celery before 5.7 does not keep.
local number
if ARGV[3] == '1' then
  number = redis.call('ZCARD', parts)
else
  number = redis.call('LLEN', parts)
end
if number < tonumber(expected) + tonumber(redis.call('GET', growth) or 0) then
  return {}
end
if held and held ~= ARGV[7] then
  return {'busy', redis.call('PTTL', claim)}
end
redis.call('SET', claim, ARGV[7], 'EX', ARGV[6])
local found = {'claimed', redis.call('GET', header)}
local all
if ARGV[3] == '1' then
  all = redis.call('ZRANGE', parts, 0, -1)
else
  all = redis.call('LRANGE', parts, 0, -1)
end
for i = 1, #all do
  found[i + 2] = all[i]
end
return found
