-- Lends a node a part of what a user may still send today, for when Redis is away, and takes back what is too much.
--
-- KEYS[1]  the user's hash, as in charge.lua; and l:PROCESS ("1 DAY M R B SPENT_M SPENT_R SPENT_B CALL": what the
--          process holds of the day's messages, recipients and bytes, which count as used, what it had spent by then,
--          and which of its calls was the last)
-- ARGV     1-7 for day.lua, 8 the process, 9-11 what it wants to hold, 12-14 what it has spent of the day's leases
--          since it began, 15-17 the limits (0: none), 18 when the day ends that it means, 19 the
--          number of the call
--
-- Nobody gets more than a tenth of what is left, and never less than they hold unless they want less: so whoever does
-- not hear the answer may spend the lesser of what they held and what they wanted. A call that runs after a later one,
-- as its connection was given up meanwhile, changes nothing.
--
-- Returns {messages, recipients, bytes} held from now on, and when the day ends; nothing of a day that is not the one
-- meant, or that no charge has begun.
local key, field = KEYS[1], 'l:' .. ARGV[8]
local now = tonumber(redis.call('TIME')[1])

local held = redis.call('HMGET', key, 'day', 'm', 'r', 'b', 'end', field)
local day, resets_at, is_same = find_day(now, tonumber(ARGV[1]), table.concat(ARGV, ' ', 2, 7), held[1], held[5])
if not day then
	return CLOCK_ERROR
end
if not is_same or tonumber(ARGV[18]) ~= resets_at then
	return { 0, 0, 0, resets_at }
end
local lease = { string.match(held[6] or '', '^1 (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) ?(%d*)$') }
if tonumber(lease[1] or -1) ~= day then
	lease = { day, 0, 0, 0, 0, 0, 0, 0 }
end
if tonumber(ARGV[19]) <= (tonumber(lease[8]) or 0) then
	return { tonumber(lease[2]), tonumber(lease[3]), tonumber(lease[4]), resets_at }
end

local result, count = {}, {}
for i = 1, 3 do
	local used, want, limit = tonumber(held[i + 1] or 0), tonumber(ARGV[i + 8]), tonumber(ARGV[i + 14])
	local spent = math.max(0, tonumber(ARGV[i + 11]) - tonumber(lease[i + 4]))
	local unused = tonumber(lease[i + 1]) - spent -- below 0: Redis has lost some of what was lent
	local share = want
	if limit > 0 then
		share = math.floor((limit - (used - math.max(0, unused))) / 10)
	end
	result[i] = math.max(math.min(want, math.max(0, unused)), math.min(want, share), 0)
	count[i] = math.max(0, used - unused + result[i])
end
redis.call('HSET', key, 'm', count[1], 'r', count[2], 'b', string.format('%.0f', count[3]), field,
	string.format('1 %.0f %.0f %.0f %.0f ', day, result[1], result[2], result[3])
		.. table.concat({ ARGV[12], ARGV[13], ARGV[14], ARGV[19] }, ' '))
return { result[1], result[2], result[3], resets_at }
