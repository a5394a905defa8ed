-- Since when Redis has known users' habits: the first to ask begins them.
--
-- KEYS[1]  when that was (seconds, this clock)
--
-- Returns {since, now}.
local now = redis.call('TIME')[1]
redis.call('SET', KEYS[1], now, 'NX')
return { tonumber(redis.call('GET', KEYS[1])), tonumber(now) }
