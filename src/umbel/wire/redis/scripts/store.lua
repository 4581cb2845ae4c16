-- Stores results and announces them, leaving out those whose task has ended already.
-- KEYS: result...
-- ARGV: milliseconds to keep (0: for ever), then per result: the text, and the digest of the text it may replace whatever that is, or ''.
-- Returns the numbers of those that were not stored because what is there is compressed, or begins with something else than its state (YAML is
-- sorted), so that nobody can tell here.
local unclear = {}
for i = 1, #KEYS do
  local text, replaces = ARGV[2 * i], ARGV[2 * i + 1]
  local old = redis.call('GET', KEYS[i])
  local keep = false
  if old and (replaces == '' or redis.sha1hex(old) ~= replaces) then
    -- In JSON, MessagePack and mostly in pickle alike the state and its name come first; other words may be anybody's.
    local status = string.match(old, '^[^%w]*status[^%w]+(%u+)')
    if string.byte(old, 1) == 0 or not status then
      unclear[#unclear + 1] = i
      keep = true
    else
      keep = status == 'SUCCESS' or status == 'FAILURE' or status == 'REVOKED'
    end
  end
  if not keep then
    if ARGV[1] == '0' then
      redis.call('SET', KEYS[i], text)
    else
      redis.call('SET', KEYS[i], text, 'PX', ARGV[1])
    end
    redis.call('PUBLISH', KEYS[i], text)
  end
end
return unclear
