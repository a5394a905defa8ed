-- Charges one message to a user, once for each token, or says why not.
--
-- KEYS[1]  the user's hash: day, end (when their day began, and when it ends), m, r, b (messages, recipients, bytes of
--          that day), minute, n (messages of that minute), t:TOKEN ("DAY RECIPIENTS BYTES MINUTE" of a charge,
--          "refunded" for a tombstone)
-- ARGV     1 token, 2 recipients, 3 bytes, 4-7 limits (messages, recipients, bytes a day, messages a minute; 0: none),
--          8-14 for day.lua, 15… tokens that need no refund any more
--
-- Returns {verdict, unit, used, limit, m, r, b, resets_at}: verdict "granted", "day", "burst" or "late".
local key, token = KEYS[1], ARGV[1]
local now = tonumber(redis.call('TIME')[1])

local held = redis.call('HMGET', key, 'day', 'm', 'r', 'b', 'minute', 'n', 't:' .. token, 'end')
local day, resets_at, is_same = find_day(now, 8, held[1], held[8])
if not day then
	return CLOCK_ERROR
end
if not is_same then
	-- A new day: counts and tokens of the old one go.
	local tokens = {}
	for _, field in ipairs(redis.call('HKEYS', key)) do
		if string.sub(field, 1, 2) == 't:' and field ~= 't:' .. token then
			tokens[#tokens + 1] = field
		end
	end
	for i = 1, #tokens, 1000 do
		redis.call('HDEL', key, unpack(tokens, i, math.min(i + 999, #tokens)))
	end
	held[2], held[3], held[4] = 0, 0, 0
end
local used = { m = tonumber(held[2] or 0), r = tonumber(held[3] or 0), b = tonumber(held[4] or 0) }

local function answer(verdict, unit, count, limit)
	return { verdict, unit, count, limit, used.m, used.r, used.b, resets_at }
end

local limit = { m = tonumber(ARGV[4]), r = tonumber(ARGV[5]), b = tonumber(ARGV[6]) }
if held[7] == 'refunded' then
	return answer('late', 'm', used.m, limit.m)
elseif held[7] then
	return answer('granted', 'm', used.m, limit.m)
end

local more = { m = 1, r = tonumber(ARGV[2]), b = tonumber(ARGV[3]) }
for _, unit in ipairs({ 'm', 'r', 'b' }) do
	if limit[unit] > 0 and used[unit] + more[unit] > limit[unit] then
		return answer('day', unit, used[unit], limit[unit])
	end
end
-- A minute that has not come yet is one of a clock that has stepped back since: it lasts, for an hour at most.
local minute, per_minute = math.floor(now / 60), tonumber(ARGV[7])
local held_minute = tonumber(held[5] or -1)
local recent = 0
if held_minute >= minute and held_minute < minute + 60 then
	minute, recent = held_minute, tonumber(held[6] or 0)
end
if per_minute > 0 and recent >= per_minute then
	return answer('burst', 'm', recent, per_minute)
end

for unit, n in pairs(more) do
	used[unit] = used[unit] + n
end
redis.call('HSET', key, 'day', day, 'end', resets_at, 'm', used.m, 'r', used.r, 'b', string.format('%.0f', used.b),
	'minute', minute, 'n', recent + 1, 't:' .. token, string.format('%d %d %.0f %d', day, more.r, more.b, minute))
for i = 15, #ARGV do
	redis.call('HDEL', key, 't:' .. ARGV[i])
end
-- Long after anybody would miss it, lest a clock that is a year ahead for a moment makes Redis forget it.
redis.call('EXPIREAT', key, resets_at + 400 * 86400)
return answer('granted', 'm', used.m, limit.m)
