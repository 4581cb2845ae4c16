-- Write runs of schedules that are not there yet.
-- KEYS: runs, open runs. ARGV: prefix of keys, number of values of a run, then for each: 1 if it is open, and its values: field, value, …, of which the second is
-- its id, the fourth the time at which it was fired, and the sixth its entry.
local prefix, size = ARGV[1], tonumber(ARGV[2])
for at = 3, #ARGV, size + 1 do
    local values = {}
    for offset = 1, size do
        values[offset] = ARGV[at + offset]
    end
    local id, when, name = values[2], tonumber(values[4]), values[6]
    if redis.call('EXISTS', prefix .. 'run:' .. id) == 0 then
        redis.call('HSET', prefix .. 'run:' .. id, unpack(values))
        redis.call('ZADD', KEYS[1], when, id)
        redis.call('ZADD', prefix .. 'runs:' .. name, when, id)
        if ARGV[at] == '1' then
            redis.call('ZADD', KEYS[2], when, id)
        end
    end
end
