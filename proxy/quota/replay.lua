-- Charges once more what Redis had granted and may have lost since, whatever the limits say now.
--
-- KEYS[1]  the user's hash, as in charge.lua
-- ARGV     1-7 for day.lua, then in fives: token, recipients, bytes, when the day ends that it was charged to, app
--          password ("-": none with a limit)
--
-- Returns how many of them were missing. What is of a day that is over, or was given back, is not charged.
local key = KEYS[1]
local now = tonumber(redis.call('TIME')[1])

local held = redis.call('HMGET', key, 'day', 'm', 'r', 'b', 'end')
local day, resets_at, is_same = find_day(now, tonumber(ARGV[1]), table.concat(ARGV, ' ', 2, 7), held[1], held[5])
if not day then
	return CLOCK_ERROR
end
local m, r, b, missing = 0, 0, 0, 0
if is_same then
	m, r, b = tonumber(held[2] or 0), tonumber(held[3] or 0), tonumber(held[4] or 0)
end
local changed = {}
for i = 8, #ARGV, 5 do
	local token, recipients, bytes, ends, password = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]),
		tonumber(ARGV[i + 3]), ARGV[i + 4]
	if ends > day and redis.call('HEXISTS', key, 't:' .. token) == 0 then
		m, r, b, missing = m + 1, r + recipients, b + bytes, missing + 1
		changed[#changed + 1] = 't:' .. token
		changed[#changed + 1] = string.format('%.0f %.0f %.0f 0 %s', day, recipients, bytes,
			password ~= '-' and password or '')
		if password ~= '-' then
			redis.call('HINCRBY', key, 'p:' .. password, 1)
		end
	end
end
local held_day = tonumber(held[1] or nil)
if missing > 0 and not is_same and held_day then -- it begins a day
	local past = add_past(redis.call('HGET', key, 'past'), held_day, day, count_sent(redis.call('HGETALL', key),
		held_day, tonumber(held[2] or 0), tonumber(held[3] or 0), tonumber(held[4] or 0)))
	if past then
		redis.call('HSET', key, 'past', past)
	end
end
if missing > 0 then
	redis.call('HSET', key, 'day', day, 'end', resets_at, 'm', m, 'r', r, 'b', string.format('%.0f', b),
		unpack(changed))
	redis.call('EXPIREAT', key, resets_at + 400 * 86400)
end
return missing
