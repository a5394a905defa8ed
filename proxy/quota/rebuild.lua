-- Brings one contributor's counts of a user's day to a memory that lost them.
--
-- KEYS[1]  the user's hash, as in charge.lua, and rebuilt.lua
-- ARGV     1-7 for day.lua, 8 the memory's id, 9 the contributor, 10-12 messages, recipients, bytes, 13 "ID:N ID:N …",
--          14 when the day ends that these are of (0: unknown, and not over), then in threes: token, recipients, bytes
--          of those that may yet be given back
--
-- Whoever brings anew replaces what they brought before. It is a user's last day that is brought, and it may be over:
-- it is held as it was, so that a clock that steps back finds it used. Of two days the later one counts.
--
-- Returns the day's messages.
local key, memory, contributor = KEYS[1], ARGV[8], 'x:' .. ARGV[9]
local now = tonumber(redis.call('TIME')[1])

local held = redis.call('HMGET', key, 'day', 'm', 'r', 'b', 'end')
local day, resets_at, is_same = find_day(now, tonumber(ARGV[1]), table.concat(ARGV, ' ', 2, 7), held[1], held[5])
if not day then
	return CLOCK_ERROR
end
local held_day = tonumber(held[1] or nil)
local held_end = held_day and (is_same and resets_at or tonumber(held[5] or nil) or held_day + 86400)

local is_former = false -- what is brought is of a day before the one that is held
local stop = tonumber(ARGV[14])
if stop > 0 and stop - now <= LONGEST then
	local is_over = stop <= math.min(now, tonumber(ARGV[1]))
	if held_end and stop < held_end + LEAST then
		-- One day, maybe begun by another zone's or another clock's midnight; or one that is over, before that.
		is_former = is_over and stop <= held_end - LEAST
		day, resets_at, is_same = held_day, math.max(held_end, stop), true
	elseif is_over then
		day, resets_at, is_same = stop - 86400, stop, false
	else
		resets_at = math.max(resets_at, stop)
	end
end
local used = { 0, 0, 0 }
local all = redis.call('HGETALL', key)
if is_same then
	used = { tonumber(held[2] or 0), tonumber(held[3] or 0), tonumber(held[4] or 0) }
end
local base, parts, sum, rest = read_rebuild(is_same and all or {}, memory)
if not is_same and held_day then -- it begins a day
	local past = add_past(redis.call('HGET', key, 'past'), held_day, day, count_sent(all, held_day,
		tonumber(held[2] or 0), tonumber(held[3] or 0), tonumber(held[4] or 0)))
	if past then
		redis.call('HSET', key, 'past', past)
	end
end

-- What belongs to another memory, or to the day before, goes. What was charged by now may yet be given back.
local charges = {}
for i = 1, #all, 2 do
	local field, kind = all[i], string.sub(all[i], 1, 2)
	if (kind == 'x:' and not parts[field]) or (not is_same and (kind == 'p:' or kind == 't:')) then
		redis.call('HDEL', key, field)
	elseif kind == 't:' and is_same and all[i + 1] ~= 'refunded' then
		charges[#charges + 1] = ' ' .. string.sub(field, 3)
	end
end
if not base then
	base, rest = { used[1], used[2], used[3] }, table.concat(charges)
end

local former, before = parts[contributor], {}
for id, n in string.gmatch(former and former.rest or '', ' (%w+):(%d+)') do
	before[id] = tonumber(n)
end
local passwords = is_former and '' or ARGV[13]
for id, n in string.gmatch(passwords, '(%w+):(%d+)') do
	redis.call('HINCRBY', key, 'p:' .. id, tonumber(n) - (before[id] or 0))
end

local brought, counts = { 0, 0, 0 }, {}
for i = 1, 3 do
	brought[i] = is_former and 0 or tonumber(ARGV[9 + i])
	local more = sum[i] + brought[i] - (former and former.counts[i] or 0)
	counts[i] = math.max(0, used[i] + math.max(base[i], more) - math.max(base[i], sum[i]))
end
local tokens = ''
for i = 15, is_former and 0 or #ARGV, 3 do
	local token, value = ARGV[i], string.format('%.0f %.0f %.0f 0', day, ARGV[i + 1], ARGV[i + 2])
	local is_new = redis.call('HSETNX', key, 't:' .. token, value) == 1
	if is_new or lists(rest, token) or (former and lists(former.rest, token)) then -- else it was charged since
		tokens = tokens .. ' ' .. token
	end
end
redis.call('HSET', key, 'day', day, 'end', resets_at, 'm', counts[1], 'r', counts[2], 'b',
	string.format('%.0f', counts[3]), 'rebuild', write_part(memory, base, rest), contributor,
	write_part(memory, brought, ' ' .. passwords .. tokens))
redis.call('EXPIREAT', key, resets_at + 400 * 86400)
return counts[1]
