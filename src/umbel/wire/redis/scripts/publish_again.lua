-- Publishes messages whose replies were lost with a connection, leaving out those that are still to be seen in their lists.
-- KEYS: list...    ARGV: how far to look into a list, then per message: number of its list, envelope
local far = ARGV[1]
local added = 0
for i = 2, #ARGV, 2 do
  local list = KEYS[tonumber(ARGV[i])]
  if not redis.call('LPOS', list, ARGV[i + 1], 'MAXLEN', far) then
    redis.call('LPUSH', list, ARGV[i + 1])
    added = added + 1
  end
end
return added
