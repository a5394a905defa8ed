-- Gives back what a token charged; once, whatever comes twice or late.
--
-- KEYS[1]  the user's hash, as in charge.lua
-- ARGV     1 token
--
-- Returns 1 when a charge was given back, 0 when there was none: then a tombstone refuses it should it come late.
local key, field = KEYS[1], 't:' .. ARGV[1]
local held = redis.call('HMGET', key, 'day', 'm', 'r', 'b', 'minute', 'n', field)

if not held[7] or held[7] == 'refunded' then
	redis.call('HSET', key, field, 'refunded')
	if redis.call('TTL', key) < 0 then
		redis.call('EXPIRE', key, 2 * 86400)
	end
	return 0
end

local day, recipients, bytes, minute = string.match(held[7], '^(%d+) (%d+) (%d+) (%d+)$')
redis.call('HSET', key, field, 'refunded')
if held[1] ~= day then
	return 0
end
local function less(value, n)
	return string.format('%.0f', math.max(0, tonumber(value or 0) - tonumber(n)))
end
redis.call('HSET', key, 'm', less(held[2], 1), 'r', less(held[3], recipients), 'b', less(held[4], bytes))
if held[5] == minute then
	redis.call('HSET', key, 'n', less(held[6], 1))
end
return 1
