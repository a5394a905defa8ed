-- Shows whether Redis still has what it acknowledged.
--
-- KEYS[1]  the marker, a hash without an expiry: id (made once, by whoever finds none), p:PROCESS ("NUMBER TIME" of each
--          relay process: what it wrote last, and when)
-- ARGV     1 an id, should there be none, 2 the process, 3 its number now
--
-- Returns {id, 1 when it was there, the process's number until now}.
local key, field = KEYS[1], 'p:' .. ARGV[2]
local now = tonumber(redis.call('TIME')[1])

local held = redis.call('HMGET', key, 'id', field)
if not held[2] then
	-- A process begins here: those that have not written for a month are gone.
	local all = redis.call('HGETALL', key)
	for i = 1, #all, 2 do
		local at = tonumber(string.match(all[i + 1], '^%d+ (%d+)$'))
		if at and string.sub(all[i], 1, 2) == 'p:' and at < now - 30 * 86400 then
			redis.call('HDEL', key, all[i])
		end
	end
end
redis.call('HSET', key, 'id', held[1] or ARGV[1], field, ARGV[3] .. ' ' .. now)
return { held[1] or ARGV[1], held[1] and 1 or 0, tonumber(string.match(held[2] or '0', '^%d+')) }
