-- Claim slots of entries of schedules for the holder of the lease.
-- KEYS: lease, runs, open runs. ARGV: prefix of keys, token, number of values of a run, then for each claim: name, revision, slot, number of its runs, the time
-- and id of the first that is fired (empty where none is), and for each run: 1 if it is open, and its values: field, value, …, of which the second is its id
-- and the fourth the time at which it was fired.
-- Returns 1 or 0 for each.
local prefix, token, size = ARGV[1], ARGV[2], tonumber(ARGV[3])
local leads = redis.call('GET', KEYS[1]) == token
local granted = {}
local place = 4
while place <= #ARGV do
    local name, revision, slot, count = ARGV[place], ARGV[place + 1], ARGV[place + 2], tonumber(ARGV[place + 3])
    local fired, first_id = ARGV[place + 4], ARGV[place + 5]
    local begin = place + 6
    place = begin + count * (size + 1)
    local key = prefix .. 'entry:' .. name
    local entry = redis.call('HMGET', key, 'status', 'revision', 'after')
    local ok = 0
    if leads and entry[1] == 'active' and entry[2] == revision then
        if tonumber(slot) > tonumber(entry[3]) then
            ok = 1
            redis.call('HSET', key, 'after', slot)
            if first_id ~= '' then
                redis.call('HSET', key, 'last_fired', fired, 'last_id', first_id)
                redis.call('HINCRBY', key, 'total_runs', 1)
            end
            for number = 0, count - 1 do
                local at = begin + number * (size + 1)
                local values = {}
                for offset = 1, size do
                    values[offset] = ARGV[at + offset]
                end
                local id, when = values[2], tonumber(values[4])
                redis.call('HSET', prefix .. 'run:' .. id, unpack(values))
                redis.call('ZADD', KEYS[2], when, id)
                redis.call('ZADD', prefix .. 'runs:' .. name, when, id)
                if ARGV[at] == '1' then
                    redis.call('ZADD', KEYS[3], when, id)
                end
            end
        elseif count > 0 then -- granted before, perhaps, and the answer was lost
            ok = 1
            for number = 0, count - 1 do
                local run = redis.call('HMGET', prefix .. 'run:' .. ARGV[begin + number * (size + 1) + 2], 'holder', 'state')
                if run[1] ~= token or run[2] ~= 'CLAIMED' then
                    ok = 0
                end
            end
        end
    end
    granted[#granted + 1] = ok
end
return granted
