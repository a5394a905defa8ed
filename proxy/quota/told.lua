-- Whether somebody is to be told of something now, or was told before.
--
-- KEYS[1]  the user's hash: for each thing of which they were told, until when (seconds, this clock) that counts
-- ARGV     1 what, 2 until when it counts from now on
--
-- Returns 1 for whoever is the first to ask, else 0.
local now = tonumber(redis.call('TIME')[1])
local until_s = tonumber(ARGV[2])
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held and tonumber(held) > now then
	return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
-- Things that nobody asks about any more go with all others, once nobody was told of anything for so long.
redis.call('EXPIRE', KEYS[1], math.max(until_s - now, 0) + 90 * 86400)
return 1
