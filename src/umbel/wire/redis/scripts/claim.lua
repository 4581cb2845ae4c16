-- Moves up to N messages from the lists into `unacked`, each under a tag of its own.
-- KEYS: unacked, unacked_index, list...
-- ARGV: N, tag prefix, number of the last tag before, then per queue what follows its envelopes in `unacked`.
-- The lists of one priority step come together, each step with the same queues in the same order.
-- Returns list number, {envelope...}, list number, {envelope...}, ... in the order of the tags.
-- Redis does not undo what a failing script has done, so nothing here may fail after the first message was taken.
local room = tonumber(ARGV[1])
local prefix = ARGV[2]
local number = tonumber(ARGV[3])
local queues = #ARGV - 3
local found, fields, scores = {}, {}, {}
local now, problem = nil, nil
for k = 3, #KEYS do
  local got = redis.pcall('RPOP', KEYS[k], room)
  if got and got.err then
    problem = got
  elseif got then
    if not now then
      local time = redis.call('TIME')
      now = string.format('%d.%06d', time[1], time[2])
    end
    local tail = ARGV[4 + (k - 3) % queues]
    for i = 1, #got do
      local raw = got[i]
      number = number + 1
      local tag = prefix .. string.format('%d', number)
      -- What is no JSON object is kept as a JSON string, so that the entry stays readable for everyone.
      if string.byte(raw, 1) ~= 123 then raw = cjson.encode(raw) end
      fields[#fields + 1] = tag
      fields[#fields + 1] = '[' .. raw .. tail
      scores[#scores + 1] = now
      scores[#scores + 1] = tag
    end
    found[#found + 1] = k - 2
    found[#found + 1] = got
    room = room - #got
    if room <= 0 then break end
  end
end
if not now then return problem or found end
for i = 1, #fields, 1000 do
  local done = redis.pcall('HSET', KEYS[1], unpack(fields, i, math.min(i + 999, #fields)))
  if type(done) ~= 'table' then done = redis.pcall('ZADD', KEYS[2], unpack(scores, i, math.min(i + 999, #scores))) end
  if type(done) == 'table' and done.err then
    for f = #found, 2, -2 do
      for m = #found[f], 1, -1 do redis.call('RPUSH', KEYS[found[f - 1] + 2], found[f][m]) end
    end
    return done
  end
end
return found
