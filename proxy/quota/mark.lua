-- Acts upon a score, once for each time that it is reached.
--
-- KEYS[1]  the user's hash (score.lua): told (until when its owner knows), until, locked
-- KEYS[2]  the locks on this name, a hash by user id (auth/locks.h)
-- ARGV     1 "record", "throttle" or "lock"; 2 the user's id; 3 for so many seconds it counts as told, or mail waits
--
-- Returns 1 for the first to ask within that time, else 0.
local now, action, id, lasts = tonumber(redis.call('TIME')[1]), ARGV[1], ARGV[2], tonumber(ARGV[3])
local told = tonumber(redis.call('HGET', KEYS[1], 'told') or 0)
local is_first = told <= now
if action == 'lock' then
	is_first = redis.call('HSETNX', KEYS[2], id, '1') == 1
	redis.call('HSET', KEYS[1], 'locked', id)
else
	redis.call('HSET', KEYS[1], 'told', is_first and now + lasts or told)
end
if action == 'throttle' and is_first then
	redis.call('HSET', KEYS[1], 'until', now + lasts)
end
redis.call('EXPIRE', KEYS[1], 56 * 86400)
return is_first and 1 or 0
