-- Stores results and announces them, leaving out those whose task has ended already.
-- KEYS: result...    ARGV: milliseconds to keep (0: for ever), then the JSON of each result
-- Returns how many were stored.
local stored = 0
for i = 1, #KEYS do
  local text = ARGV[i + 1]
  local old = redis.call('GET', KEYS[i])
  local ended = false
  if old then
    -- In JSON, YAML, MessagePack and pickle alike the state follows its name after some bytes that are no letters.
    local status = string.match(old, 'status[^%w]+(%u+)')
    ended = status == 'SUCCESS' or status == 'FAILURE' or status == 'REVOKED'
  end
  if not ended then
    if ARGV[1] == '0' then
      redis.call('SET', KEYS[i], text)
    else
      redis.call('SET', KEYS[i], text, 'PX', ARGV[1])
    end
    redis.call('PUBLISH', KEYS[i], text)
    stored = stored + 1
  end
end
return stored
