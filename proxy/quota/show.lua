-- What a user has used today; with "reset" it is nothing from now on.
--
-- KEYS[1]  the user's hash, as in charge.lua
-- ARGV     1 "show" or "reset", 2-5 where yesterday, today, tomorrow and the day after begin (seconds)
--
-- Returns {m, r, b, resets_at}.
local key = KEYS[1]
local now = tonumber(redis.call('TIME')[1])

local day, resets_at = find_day(now, 2)
if not day then
	return CLOCK_ERROR
end

local held = redis.call('HMGET', key, 'day', 'm', 'r', 'b')
if tonumber(held[1] or -1) ~= day then
	return { 0, 0, 0, resets_at }
end
if ARGV[1] == 'reset' then
	-- The tokens go too: a refund of what was sent before must not reach the new count.
	redis.call('DEL', key)
	return { 0, 0, 0, resets_at }
end
return { tonumber(held[2]), tonumber(held[3]), tonumber(held[4]), resets_at }
