-- Change runs of schedules: a state replaces those of its own or a lower rank, and one of the highest rank stays.
-- KEYS: open runs. ARGV: prefix of keys, the rank from which a run is over, the highest rank, then for each report: id, state, rank, worker, runtime, ended, detail;
-- what is empty says nothing.
local prefix, over, last = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
for at = 4, #ARGV, 7 do
    local id, state, rank = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
    local key = prefix .. 'run:' .. id
    local run = redis.call('HMGET', key, 'state', 'state_rank', 'runtime')
    if run[1] then
        local before = tonumber(run[2])
        local fields
        if before < last and rank >= before then
            fields = {'worker', 'runtime', 'ended', 'detail'}
            redis.call('HSET', key, 'state', state, 'state_rank', ARGV[at + 2])
            if rank >= over then
                redis.call('ZREM', KEYS[1], id)
            end
        elseif before == last and run[1] == state and run[3] == '' and ARGV[at + 4] ~= '' then
            fields = {'worker', 'runtime'}
        else
            fields = {}
        end
        for number, field in ipairs(fields) do
            if ARGV[at + 2 + number] ~= '' then
                redis.call('HSET', key, field, ARGV[at + 2 + number])
            end
        end
    end
end
