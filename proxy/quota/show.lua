-- What a user has used; with "reset" it is nothing from now on, but for what nodes have borrowed (lease.lua) and may
-- spend at any time. That it was sent stays known (past.lua).
--
-- KEYS     1 and 2 as in charge.lua
-- ARGV     1 "show" or "reset", 2 and 3 the clock and the days for day.lua, 4 "day" or "rolling"
--
-- Returns {m, r, b, w, resets_at, messages in the last hour, in the last minute, limits as in the hash, what is set by
-- hand: fields and values in turn}. With "reset" the counts are those until now.
local key = KEYS[1]
local now = tonumber(redis.call('TIME')[1])

local held = redis.call('HMGET', key, 'day', 'm', 'r', 'b', 'w', 'end', 'limits', 'last_minute', 'last_hour',
	'last_day', 'past')
local day, resets_at, is_same = find_day(now, tonumber(ARGV[2]), ARGV[3], held[1], held[6])
if not day then
	return CLOCK_ERROR
end
local used = { m = tonumber(held[2] or 0), r = tonumber(held[3] or 0), b = tonumber(held[4] or 0),
	w = tonumber(held[5] or 0) }
local counted, free = used, nil
if ARGV[4] == 'rolling' then
	local last_day = read_last_day(held[10], now, tonumber(ARGV[2]), tonumber(held[1] or nil), used)
	counted = last_day.sum
	free = last_day[1] and (last_day[1].step + DAY.steps + 1) * DAY.width
elseif not is_same then
	counted = { m = 0, r = 0, b = 0, w = 0 }
end
if ARGV[1] == 'reset' and held[1] then
	-- The tokens go too: a refund of what was sent before must not reach the new count. The day's end stays.
	local all, kept = redis.call('HGETALL', key), { day = true, ['end'] = true, limits = true, past = true }
	for i = 1, #all, 2 do
		if not kept[all[i]] and string.sub(all[i], 1, 2) ~= 'l:' then
			redis.call('HDEL', key, all[i])
		end
	end
	local held_day = tonumber(held[1])
	local past = add_past(held[11], held_day, math.max(day, held_day + 1),
		count_sent(all, held_day, used.m, used.r, used.b))
	if past then
		redis.call('HSET', key, 'past', past)
	end
	if is_same then
		local m, r, b = 0, 0, 0
		for i = 1, #all, 2 do
			local lease = { string.match(all[i + 1], '^1 (%d+) (%d+) (%d+) (%d+) ') }
			if string.sub(all[i], 1, 2) == 'l:' and lease[1] == held[1] then
				m, r, b = m + lease[2], r + lease[3], b + lease[4]
			end
		end
		redis.call('HSET', key, 'end', resets_at, 'm', m, 'r', r, 'b', string.format('%.0f', b))
	end
end
return { counted.m, counted.r, counted.b, counted.w, free or resets_at, read_window(HOUR, held[9], now, now).sum.m,
	read_window(MINUTE, held[8], now, now).sum.m, held[7] or '', redis.call('HGETALL', KEYS[2]) }
