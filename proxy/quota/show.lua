-- What users have used; with "reset" it is nothing from now on, but for what nodes have borrowed (lease.lua) and may
-- spend at any time. That it was sent stays known (past.lua).
--
-- KEYS     for each user in turn 1 and 2 as in charge.lua
-- ARGV     1 and 2 the clock and the days for day.lua, 3 "day" or "rolling", 4 "show", "history" or "reset"
--
-- Returns for each {m, r, b, w, resets_at, messages in the last hour, in the last minute, limits as in the hash, what
-- is set by hand: fields and values in turn}. With "reset" the counts are those until now. With "history" it is {…,
-- when their day began, its messages, recipients and bytes as they were sent, and `past` (past.lua), to which the day
-- that the hash holds is added where that is over}.
local now, clock, days, is_rolling = tonumber(redis.call('TIME')[1]), tonumber(ARGV[1]), ARGV[2], ARGV[3] == 'rolling'

-- `all`: what the hash holds; `used`: the counts of its day.
local function reset(key, all, held_day, past_held, used, day, resets_at, is_same)
	-- The tokens go too: a refund of what was sent before must not reach the new count. The day's end stays.
	local kept = { day = true, ['end'] = true, limits = true, past = true }
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

-- For whoever only reads it, the day that is over goes behind those before as it is: making the field anew costs ten
-- times as much, and each morning all users' days are over.
local function look_back(all, held, held_day, used, day, is_same)
	local m, r, b = count_sent(all, held_day, used.m, used.r, used.b)
	if is_same then
		return day, m, r, b, held.past or ''
	end
	local list = string.match(held.past or '1 ', '^1 (.*)$')
	if not list or not held_day or m + r + b == 0 then
		return day, 0, 0, 0, held.past or ''
	end
	local over = string.format('%.0f %.0f %.0f %.0f', math.min(held_day, day - 86400), m, r, b)
	return day, 0, 0, 0, '1 ' .. (list == '' and over or list .. ';' .. over)
end

local function show(key, locks, has_locks)
	local all, held = redis.call('HGETALL', key), {}
	for i = 1, #all, 2 do
		held[all[i]] = all[i + 1]
	end
	local day, resets_at, is_same = find_day(now, clock, days, held.day, held['end'], key)
	if not day then
		return nil
	end
	local held_day = tonumber(held.day)
	local used = { m = tonumber(held.m or 0), r = tonumber(held.r or 0), b = tonumber(held.b or 0),
		w = tonumber(held.w or 0) }
	local counted, free = used, nil
	if is_rolling then
		local last_day = read_last_day(held.last_day, now, clock, held_day, used)
		counted = last_day.sum
		free = last_day[1] and (last_day[1].step + DAY.steps + 1) * DAY.width
	elseif not is_same then
		counted = { m = 0, r = 0, b = 0, w = 0 }
	end
	if ARGV[4] == 'reset' and held_day then
		reset(key, all, held_day, held.past, used, day, resets_at, is_same)
	end
	local in_hour = held.last_hour and read_window(HOUR, held.last_hour, now, now).sum.m or 0
	local in_minute = held.last_minute and read_window(MINUTE, held.last_minute, now, now).sum.m or 0
	local answer = { counted.m, counted.r, counted.b, counted.w, free or resets_at, in_hour, in_minute,
		held.limits or '', has_locks and redis.call('HGETALL', locks) or {} }
	if ARGV[4] == 'history' then
		answer[10], answer[11], answer[12], answer[13], answer[14] =
			look_back(all, held, held_day, used, day, is_same)
	end
	return answer
end

-- Few have any, and a call for each of them would be most of what this costs.
local function have_locks()
	local locks = {}
	for i = 2, #KEYS, 2 do
		locks[#locks + 1] = KEYS[i]
	end
	return redis.call('EXISTS', unpack(locks)) > 0
end

local answers, has_locks = {}, have_locks()
for i = 1, #KEYS, 2 do
	answers[#answers + 1] = show(KEYS[i], KEYS[i + 1], has_locks)
	if #answers < (i + 1) / 2 then
		return CLOCK_ERROR
	end
end
return answers
