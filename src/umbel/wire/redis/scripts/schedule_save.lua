-- Write entries of schedules, each only if its revision is the one that the writer knows.
-- KEYS: meta, changes. ARGV: prefix of keys, 1 to let `after` go back, then for each entry: name, revision (0: not there yet), document, status, after.
-- Returns 1 or 0 for each.
local revision = tonumber(redis.call('HGET', KEYS[1], 'revision') or '0')
local saved = {}
for first = 3, #ARGV, 5 do
    local name, known, document, status, after = ARGV[first], ARGV[first + 1], ARGV[first + 2], ARGV[first + 3], ARGV[first + 4]
    local key = ARGV[1] .. 'entry:' .. name
    local was = redis.call('HMGET', key, 'revision', 'after')
    if (was[1] or '0') == known then
        revision = revision + 1
        if was[2] and ARGV[2] ~= '1' and tonumber(was[2]) > tonumber(after) then
            after = was[2]
        end
        redis.call('HSET', key, 'document', document, 'status', status, 'after', after, 'revision', string.format('%d', revision))
        redis.call('ZADD', KEYS[2], revision, name)
        saved[#saved + 1] = 1
    else
        saved[#saved + 1] = 0
    end
end
redis.call('HSET', KEYS[1], 'revision', string.format('%d', revision))
return saved
