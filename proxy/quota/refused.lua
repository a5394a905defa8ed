-- Counts recipients that upstreams refused to a user within the last hour, and says how many of them are within the
-- limit.
--
-- KEYS[1]  the user's hash: for each minute (of Redis's clock) the refusals counted in it
-- ARGV     1 the limit of an hour, 2 how many more; 0 asks only
--
-- Returns {counted, refused, free_at, reached, now}: how many of them were counted, never beyond the limit; how many
-- there are now; when the oldest of them no longer counts (seconds, this clock; 0: there are none); 1 when this call
-- reached the limit.
local key, limit, more = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local now = tonumber(redis.call('TIME')[1])
local minute = math.floor(now / 60)

local held = redis.call('HGETALL', key)
local refused, oldest = 0, nil
for i = 1, #held, 2 do
	local at = tonumber(held[i])
	if at <= minute - 60 then
		redis.call('HDEL', key, held[i])
	else
		refused = refused + tonumber(held[i + 1])
		oldest = math.min(oldest or at, at)
	end
end

local counted = math.min(more, math.max(limit - refused, 0))
if counted > 0 then
	redis.call('HINCRBY', key, minute, counted)
	redis.call('EXPIRE', key, 3720)
	oldest = oldest or minute
end
local free_at = oldest and (oldest + 60) * 60 or 0
local reached = counted > 0 and refused + counted >= limit and 1 or 0
return { counted, refused + counted, free_at, reached, now }
