-- Empty lists; returns how many items they had.
-- KEYS: the lists.
local count = 0
for _, key in ipairs(KEYS) do
    count = count + redis.call('LLEN', key)
    redis.call('DEL', key)
end
return count
