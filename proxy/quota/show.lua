-- What users have used; with "reset" it is nothing from now on, but for what nodes have borrowed (lease.lua) and may
-- spend at any time. That it was sent stays known (past.lua).
--
-- KEYS     for each user in turn 1 and 2 as in charge.lua
-- ARGV     1 and 2 the clock and the days for day.lua, 3 "day" or "rolling", 4 "show" or "reset"
--
-- Returns for each {m, r, b, w, resets_at, messages in the last hour, in the last minute, limits as in the hash, what
-- is set by hand: fields and values in turn}. With "reset" the counts are those until now.
local now, clock, days, is_rolling = tonumber(redis.call('TIME')[1]), tonumber(ARGV[1]), ARGV[2], ARGV[3] == 'rolling'

-- `held`: what the hash holds; `used`: the counts of its day.
local function reset(key, held_day, past_held, used, day, resets_at, is_same)
	-- The tokens go too: a refund of what was sent before must not reach the new count. The day's end stays.
	local all, kept = redis.call('HGETALL', key), { day = true, ['end'] = true, limits = true, past = true }
	for i = 1, #all, 2 do
		if not kept[all[i]] and string.sub(all[i], 1, 2) ~= 'l:' then
			redis.call('HDEL', key, all[i])
		end
	end
	local past = add_past(past_held, held_day, math.max(day, held_day + 1),
		count_sent(all, held_day, used.m, used.r, used.b))
	if past then
		redis.call('HSET', key, 'past', past)
	end
	if is_same then
		local m, r, b = 0, 0, 0
		for i = 1, #all, 2 do
			local lease = { string.match(all[i + 1], '^1 (%d+) (%d+) (%d+) (%d+) ') }
			if string.sub(all[i], 1, 2) == 'l:' and tonumber(lease[1]) == held_day then
				m, r, b = m + lease[2], r + lease[3], b + lease[4]
			end
		end
		redis.call('HSET', key, 'end', resets_at, 'm', m, 'r', r, 'b', string.format('%.0f', b))
	end
end

local function show(key, locks)
	local held = redis.call('HMGET', key, 'day', 'm', 'r', 'b', 'w', 'end', 'limits', 'last_minute', 'last_hour',
		'last_day', 'past')
	local day, resets_at, is_same = find_day(now, clock, days, held[1], held[6], key)
	if not day then
		return nil
	end
	local held_day = tonumber(held[1] or nil)
	local used = { m = tonumber(held[2] or 0), r = tonumber(held[3] or 0), b = tonumber(held[4] or 0),
		w = tonumber(held[5] or 0) }
	local counted, free = used, nil
	if is_rolling then
		local last_day = read_last_day(held[10], now, clock, held_day, used)
		counted = last_day.sum
		free = last_day[1] and (last_day[1].step + DAY.steps + 1) * DAY.width
	elseif not is_same then
		counted = { m = 0, r = 0, b = 0, w = 0 }
	end
	if ARGV[4] == 'reset' and held_day then
		reset(key, held_day, held[11], used, day, resets_at, is_same)
	end
	local in_hour = held[9] and read_window(HOUR, held[9], now, now).sum.m or 0
	local in_minute = held[8] and read_window(MINUTE, held[8], now, now).sum.m or 0
	return { counted.m, counted.r, counted.b, counted.w, free or resets_at, in_hour, in_minute, held[7] or '',
		redis.call('HGETALL', locks) }
end

local answers = {}
for i = 1, #KEYS, 2 do
	answers[#answers + 1] = show(KEYS[i], KEYS[i + 1])
	if #answers < (i + 1) / 2 then
		return CLOCK_ERROR
	end
end
return answers
