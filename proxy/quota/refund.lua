-- Gives back what a token charged; once, whatever comes twice or late. The day may be over: then what is known of it
-- (past.lua) is put right, until the day after it is over too.
--
-- KEYS[1]  the user's hash, as in charge.lua
-- ARGV     1 token
--
-- Returns 1 when a charge was given back, 0 when there was none: then a tombstone refuses it should it come late.
local key, field = KEYS[1], 't:' .. ARGV[1]
local held = redis.call('HMGET', key, 'day', 'm', 'r', 'b', 'w', 'last_minute', 'last_hour', 'last_day', field,
	'rebuild')
local charge = held[9]

redis.call('HSET', key, field, 'refunded')
if not charge or charge == 'refunded' then
	if redis.call('TTL', key) < 0 then
		redis.call('EXPIRE', key, 2 * 86400)
	end
	return 0
end

local day, recipients, bytes, time, later, password, hashes =
	string.match(charge, '^2 (%d+) (%d+) (%d+) (%d+)/?(%d*) (%S+) ?(.*)$')
if not day then -- by an older program; it counted no strangers, and minutes by the clock's
	day, recipients, bytes, password = string.match(charge, '^(%d+) (%d+) (%d+) %d+ ?(%w*)$')
	time, later, hashes = 0, '', ''
end
if not day then
	return 0
end
local less = { m = 1, r = tonumber(recipients), b = tonumber(bytes), w = 0 }
local is_same = held[1] == day
local used = { m = tonumber(held[2] or 0), r = tonumber(held[3] or 0), b = tonumber(held[4] or 0),
	w = tonumber(held[5] or 0) }

-- Whoever another charge writes to as well stays counted, with that one. What was pending on a day that is over is
-- known by now (charge.lua).
for hash in string.gmatch((is_same or held[8]) and hashes or '', '%x+') do
	local pending = tonumber(redis.call('HGET', key, 'w:' .. hash) or 0)
	if pending == 1 then
		redis.call('HDEL', key, 'w:' .. hash)
		less.w = less.w + 1
	elseif pending > 1 then
		redis.call('HSET', key, 'w:' .. hash, pending - 1)
	end
end

-- What the day's counts lose by it: of what a rebuild has put together, maybe nothing.
local function take_from_rebuild(text)
	local memory = string.match(text, PART)
	local base, parts, sum, held_rest = read_rebuild(redis.call('HGETALL', key), memory)
	local amounts = { less.m, less.r, less.b }
	local before, is_part = {}, false
	for i = 1, 3 do
		before[i] = math.max(base[i], sum[i])
	end
	local function take(name, counts, rest)
		for i = 1, 3 do
			counts[i] = math.max(0, counts[i] - amounts[i])
		end
		redis.call('HSET', key, name, write_part(memory, counts, rest))
		is_part = true
	end
	if lists(held_rest, ARGV[1]) then
		take('rebuild', base, held_rest)
	end
	for name, part in pairs(parts) do
		if lists(part.rest, ARGV[1]) then
			local was = { unpack(part.counts) }
			take(name, part.counts, part.rest)
			for i = 1, 3 do
				sum[i] = sum[i] - was[i] + part.counts[i]
			end
		end
	end
	if is_part then
		return { m = before[1] - math.max(base[1], sum[1]), r = before[2] - math.max(base[2], sum[2]),
			b = before[3] - math.max(base[3], sum[3]), w = less.w }
	end
end

local fields = {}
local function set(name, text)
	fields[#fields + 1] = name
	fields[#fields + 1] = text
end
local now = tonumber(redis.call('TIME')[1])
local past = not is_same and take_from_past(redis.call('HGET', key, 'past'), tonumber(day), less.r, less.b)
if past then
	set('past', past)
end
if is_same then
	for unit, n in pairs(held[10] and take_from_rebuild(held[10]) or less) do
		used[unit] = math.max(0, used[unit] - n)
		set(unit, string.format('%.0f', used[unit]))
	end
	if password ~= '' and password ~= '-' then
		set('p:' .. password, math.max(0, tonumber(redis.call('HGET', key, 'p:' .. password) or 0) - 1))
	end
end
for name, window in pairs({ last_minute = held[6] and read_window(MINUTE, held[6], now, 0),
	last_hour = held[7] and read_window(HOUR, held[7], now, 0) }) do
	if window then
		take_back(window, time, less)
		set(name, write_window(window))
	end
end
if held[8] then
	local last_day, seen = parse_last_day(held[8], math.huge, 0) -- which clock is right, the next charge knows
	take_back(last_day, later ~= '' and later or time, less)
	for unit, n in pairs(less) do
		seen[unit] = seen.day == tonumber(day) and math.max(0, seen[unit] - n) or seen[unit]
	end
	set('last_day', write_last_day(last_day, seen.day, seen))
end
if #fields > 0 then
	redis.call('HSET', key, unpack(fields))
end
return (is_same or held[8] or past) and 1 or 0
