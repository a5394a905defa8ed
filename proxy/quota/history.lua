-- What a user has sent, day by day.
--
-- KEYS[1]  the user's hash, as in charge.lua
-- ARGV     1 and 2 the clock and the days for day.lua
--
-- Returns {when their day began, its messages, recipients and bytes, and `past` (past.lua), with the day that the hash
-- holds where that is over}.
local key = KEYS[1]
local now = tonumber(redis.call('TIME')[1])

local all, held = redis.call('HGETALL', key), {}
for i = 1, #all, 2 do
	held[all[i]] = all[i + 1]
end
local day, _, is_same = find_day(now, tonumber(ARGV[1]), ARGV[2], held.day, held['end'])
if not day then
	return CLOCK_ERROR
end
local held_day, past = tonumber(held.day), held.past or ''
local m, r, b = count_sent(all, held_day, tonumber(held.m or 0), tonumber(held.r or 0), tonumber(held.b or 0))
if not is_same then
	past = held_day and add_past(held.past, held_day, day, m, r, b) or past
	m, r, b = 0, 0, 0
end
return { day, m, r, b, past }
