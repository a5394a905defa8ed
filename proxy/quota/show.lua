-- What a user has used today; with "reset" it is nothing from now on.
--
-- KEYS[1]  the user's hash, as in charge.lua
-- ARGV     1 "show" or "reset", 2-8 for day.lua
--
-- Returns {m, r, b, resets_at}.
local key = KEYS[1]
local now = tonumber(redis.call('TIME')[1])

local held = redis.call('HMGET', key, 'day', 'm', 'r', 'b', 'end')
local day, resets_at, is_same = find_day(now, 2, held[1], held[5])
if not day then
	return CLOCK_ERROR
end
if not is_same then
	return { 0, 0, 0, resets_at }
end
if ARGV[1] == 'reset' then
	-- The tokens go too: a refund of what was sent before must not reach the new count. The day's end stays.
	for _, field in ipairs(redis.call('HKEYS', key)) do
		if field ~= 'day' and field ~= 'end' then
			redis.call('HDEL', key, field)
		end
	end
	redis.call('HSET', key, 'end', resets_at)
	return { 0, 0, 0, resets_at }
end
return { tonumber(held[2] or 0), tonumber(held[3] or 0), tonumber(held[4] or 0), resets_at }
