-- What users have sent, day by day.
--
-- KEYS     the users' hashes, as in charge.lua
-- ARGV     1 and 2 the clock and the days for day.lua
--
-- Returns for each {when their day began, its messages, recipients and bytes, and `past` (past.lua), with the day that
-- the hash holds where that is over}.
local now, clock, days = tonumber(redis.call('TIME')[1]), tonumber(ARGV[1]), ARGV[2]

local function look_back(key)
	local all, held = redis.call('HGETALL', key), {}
	for i = 1, #all, 2 do
		held[all[i]] = all[i + 1]
	end
	local day, _, is_same = find_day(now, clock, days, held.day, held['end'], key)
	if not day then
		return nil
	end
	local held_day, past = tonumber(held.day), held.past or ''
	local m, r, b = count_sent(all, held_day, tonumber(held.m or 0), tonumber(held.r or 0), tonumber(held.b or 0))
	if not is_same then
		past = held_day and add_past(held.past, held_day, day, m, r, b) or past
		m, r, b = 0, 0, 0
	end
	return { day, m, r, b, past }
end

local answers = {}
for i, key in ipairs(KEYS) do
	answers[i] = look_back(key)
	if not answers[i] then
		return CLOCK_ERROR
	end
end
return answers
